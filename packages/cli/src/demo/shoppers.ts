// Made-up shoppers with tastes: recommendation prompts whose held-out items can be learnt from their histories.
import type { RecommendationDocument } from "@cllm4rec/backbone";
import { uniformNumbers } from "./random.js";

export const USERS = 48;
export const ITEMS = 160;
const genres = 8;

/**
 * One prompt a user, `<user_i>`, eight words, ten items of the user's two genres, eight words, with three more items of the same genres held out.
 * @param words N of the backbone
 */
export function shopperPrompts(words: number): RecommendationDocument[] {
  const random = uniformNumbers(11);
  const pick = (count: number) => Math.floor(random() * count);
  const text = Array.from({ length: 16 }, () => pick(words));
  return Array.from({ length: USERS }, (_, user) => {
    const favourites = [user % genres, pick(genres)];
    const items = new Set<number>();
    while (items.size < 13) items.add(favourites[pick(2)]! + genres * pick(ITEMS / genres));
    const [...tokens] = items;
    const history = tokens.slice(0, 10).map((item) => words + USERS + item);
    return { ids: [words + user, ...text.slice(0, 8), ...history, ...text.slice(8)], heldOut: tokens.slice(10) };
  });
}
