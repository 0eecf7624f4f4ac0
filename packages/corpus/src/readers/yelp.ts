// Yelp's academic dataset: review.json as interactions, business.json as item and user.json as user metadata.
// Source: yelp.com/dataset/documentation/main.
import { loadJsonLines, requireKeys } from "./json-lines.js";
import type { Description, Reader } from "./reader.js";
import { idOf, labelled, plain, sentences } from "./text.js";

const KEYS = { user: "user_id", item: "business_id", rating: "stars", timestamp: "date", text: "text" } as const;

/** Name, categories and place; stars and review_count sum up held-out reviews too and are left out. */
function describeBusiness(record: Readonly<Record<string, unknown>>): Description | undefined {
  const id = idOf(record.business_id);
  if (id === undefined) return undefined;
  const title = plain(record.name);
  const place = plain([record.city, record.state]);
  return { kind: "item", id, title, text: sentences(title, plain(record.categories), place) };
}

/** The years as a member and as "elite"; the name and the counts of reviews and friends are left out. */
function describeUser(record: Readonly<Record<string, unknown>>): Description | undefined {
  const id = idOf(record.user_id);
  if (id === undefined) return undefined;
  const since = labelled("Yelping since", plain(record.yelping_since)?.slice(0, 4) ?? null);
  const elite = labelled("Elite in", plain(String(plain(record.elite) ?? "").split(",")));
  return { kind: "user", id, title: null, text: sentences(since, elite) };
}

export const yelp: Reader = {
  format: "yelp",
  about: "Yelp academic dataset: *_review.json; metadata *_business.json and *_user.json",
  recognises: ({ object }) =>
    object !== undefined && ["review_id", "user_id", "business_id", "stars"].every((key) => key in object),
  describes: ({ object }) =>
    object !== undefined &&
    (("business_id" in object && "name" in object && !("review_id" in object)) ||
      ("user_id" in object && "yelping_since" in object)),
  load: (context) => loadJsonLines(context, "yelp", KEYS, { required: ["user_id", "business_id", "stars"] }),
  async metadata({ probe }) {
    if (probe.object && "user_id" in probe.object && !("business_id" in probe.object)) {
      return { records: { kind: "json" }, describe: describeUser };
    }
    requireKeys(probe, "yelp", ["business_id", "name"]);
    return { records: { kind: "json" }, describe: describeBusiness };
  },
};
