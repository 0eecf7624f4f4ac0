// A few users as examples: what they had, what the model recommends, and what was held out. Chosen by a rule, not by
// looking.
import { csrRow, type Dataset } from "@cllm4rec/corpus";
import { IndexRecommender, type Predictor } from "@cllm4rec/recommend";
import type { Protocol } from "../evaluation/protocol.js";
import { shortened } from "../format.js";

export interface SampleItem {
  /** The item's title, else the beginning of its text, else nothing. */
  readonly text: string | undefined;
  readonly rawId: string;
}

export interface Sample {
  readonly rawUserId: string;
  readonly history: readonly SampleItem[];
  readonly recommended: readonly (SampleItem & { readonly score: number; readonly found: boolean })[];
  readonly heldOut: readonly SampleItem[];
}

/** `count` users at equal distances among those who have a history and held-out items, in the order of the dataset. */
export async function sampleUsers(
  predictor: Predictor,
  protocol: Protocol,
  dataset: Dataset,
  {
    count = 5,
    length = 10,
    signal,
  }: { readonly count?: number; readonly length?: number; readonly signal: AbortSignal },
): Promise<Sample[]> {
  const { history, heldOut } = protocol;
  const able: number[] = [];
  for (let user = 0; user < heldOut.rows; user++) {
    if (csrRow(heldOut, user).length > 0 && csrRow(history, user).length > 0) able.push(user);
  }
  const number = Math.min(count, able.length);
  const users = Array.from({ length: number }, (_, i) => able[Math.floor(((i + 0.5) * able.length) / number)]!);
  const [userIds, itemIds] = [await dataset.rawUserIds(), await dataset.rawItemIds()];
  const [titles, texts] = [await dataset.itemTitles(), await dataset.itemTexts()];
  const describe = (item: number): SampleItem => {
    const said = titles[item] ?? texts[item] ?? "";
    return { text: said.trim() === "" ? undefined : shortened(said, 90), rawId: itemIds[item]! };
  };
  const samples: Sample[] = [];
  const recommender = new IndexRecommender(predictor);
  for await (const { items, scores } of recommender.recommendUsers(users, history, length, signal)) {
    const user = users[samples.length]!;
    const wanted = csrRow(heldOut, user);
    samples.push({
      rawUserId: userIds[user]!,
      history: Array.from(csrRow(history, user), describe),
      recommended: Array.from(items, (item, rank) => ({
        ...describe(item),
        score: scores[rank]!,
        found: wanted.includes(item),
      })),
      heldOut: Array.from(wanted, describe),
    });
  }
  return samples;
}
