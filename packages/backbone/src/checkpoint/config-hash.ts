// What a backbone's config contributes to its identity: two configs have the same hash where they give the same hidden
// states and gradients.
import { createHash } from "node:crypto";

/** Fields that say how a model is used, not what it computes. */
const IRRELEVANT = new Set(["bosTokenId", "eosTokenIds", "padTokenId", "maxPositions", "unrecognisedKeys"]);

/**
 * Hex SHA-256 of what a config says about the computation, in training (dropout) and after it. Of the parsed form, so
 * that files that say the same in other words, as different versions of transformers do, have the same hash. Fields
 * that are null or false do not count: a field that a later version adds leaves the hash of models that do without its
 * feature unchanged.
 */
export function hashConfig(config: object): string {
  const relevant = Object.fromEntries(Object.entries(config).filter(([key]) => !IRRELEVANT.has(key)));
  return createHash("sha256")
    .update(JSON.stringify(canonical(relevant)))
    .digest("hex");
}

/** Objects as sorted pairs, without entries that are null, false or empty objects. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== "object" || value === null) return value;
  return Object.entries(value)
    .map(([key, entry]) => [key, canonical(entry)] as const)
    .filter(([, entry]) => entry != null && entry !== false && !(Array.isArray(entry) && entry.length === 0))
    .sort(([a], [b]) => (a < b ? -1 : 1));
}
