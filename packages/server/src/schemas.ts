// What requests and answers look like: checked by these schemas, and documented by them in /openapi.json.
import { z } from "zod";

/** Bounds of one request. */
export interface Limits {
  /** Most items in a history. */
  readonly maxHistory: number;
  /** Most users in one call. */
  readonly maxUsers: number;
}

const MAX_K = 1000;
const id = z.string().min(1).max(512);
const k = z.int().min(1).max(MAX_K);
const scalar = z.union([z.string().max(1024), z.number(), z.boolean()]);

const condition = z
  .union([
    scalar,
    z.array(scalar).max(1000),
    z.strictObject({
      contains: z.string().max(1024).optional(),
      min: z.number().optional(),
      max: z.number().optional(),
    }),
  ])
  .describe("A value, a list of which one is enough, or { contains } for text and { min, max } for numbers");
export type Condition = z.infer<typeof condition>;

const selection = {
  exclude: z.array(id).max(10_000).optional().describe("Items that are not wanted; unknown ids are ignored"),
  filter: z
    .record(z.string().max(128), condition)
    .optional()
    .describe("Conditions on item fields, all of which an item in the list fulfils; GET /model lists the fields"),
};
const model = z.string().max(32).optional().describe("Which model answers: `main`, the default, or `other`");

/** The body of POST /recommend. */
export const recommendBody = ({ maxHistory, maxUsers }: Limits) =>
  z.strictObject({
    user: id.optional().describe("A user by raw id; what the model knows of them is the history"),
    history: z.array(id).max(maxHistory).optional().describe("Items by raw id, in place of what is known of the user"),
    users: z
      .array(id)
      .min(1)
      .max(maxUsers)
      .optional()
      .describe("Several users in one call, in place of user and history"),
    k: k.optional().describe("How many items; default 10"),
    ...selection,
    includeHistory: z.boolean().optional().describe("Whether items of the history may be recommended again"),
    why: z.boolean().optional().describe("Adds the items of the history that are most alike to each recommended item"),
    model,
  });
export type RecommendBody = z.infer<ReturnType<typeof recommendBody>>;

export const similarBody = z.strictObject({ item: id, k: k.optional(), ...selection, model });
export type SimilarBody = z.infer<typeof similarBody>;

export const explainBody = z.strictObject({
  item: id,
  user: id.optional().describe("Whose review is written; absent: a description of the item"),
  maxTokens: z.int().min(1).max(256).optional().describe("Most tokens; default 48"),
  temperature: z.number().min(0).max(10).optional(),
  topP: z.number().min(0.01).max(1).optional(),
  seed: z.int().min(0).max(4294967295).optional(),
  model,
});
export type ExplainBody = z.infer<typeof explainBody>;

/** The body of PUT /items/:id. */
export const itemTextBody = z.strictObject({
  text: z.string().max(100_000).describe("What is known of the item: what the item texts of the dataset are"),
  title: z.string().max(1024).optional().describe("Absent: the text is read for it; empty: the item has none"),
});
export type ItemTextBody = z.infer<typeof itemTextBody>;
export const itemsBody = z.strictObject({
  items: z
    .array(itemTextBody.extend({ item: id }))
    .min(1)
    .max(1000),
});
export type ItemsBody = z.infer<typeof itemsBody>;

export const searchQuery = z.strictObject({
  search: z.string().max(200).optional().describe("Words that the id or title holds"),
  limit: z
    .string()
    .regex(/^[1-9][0-9]{0,2}$/)
    .optional()
    .describe("From 1 to 999; default 20"),
});
export type SearchQuery = z.infer<typeof searchQuery>;

export const idParams = z.strictObject({ id });

const fieldValue = z.union([scalar, z.array(scalar)]);
const item = z.object({ item: z.string(), title: z.string().optional() });
const scored = item.extend({ score: z.number() });
const recommended = scored.extend({ because: z.array(scored).optional() });
export const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string(),
  nearest: z.array(z.string()).readonly().optional(),
});
export const listAnswer = z.object({ items: z.array(scored) });
export const recommendAnswer = z.object({
  items: z.array(recommended).optional().describe("Best first; of a call for one user or history"),
  results: z
    .array(z.object({ user: z.string(), items: z.array(recommended).optional(), problem: problem.optional() }))
    .optional()
    .describe("Of a call with `users`, in their order"),
});
export type RecommendAnswer = z.infer<typeof recommendAnswer>;
export const itemAnswer = item.extend({ fields: z.record(z.string(), fieldValue).optional() });
export const itemsAnswer = z.object({ items: z.array(item) });
export const usersAnswer = z.object({ users: z.array(z.string()) });
export const userAnswer = z.object({ user: z.string(), history: z.array(item) });
export const explainAnswer = z.object({ text: z.string(), prompt: z.enum(["review", "itemText"]) });
export const modelAnswer = z.object({
  models: z.array(
    z.object({
      name: z.string(),
      directories: z.array(z.string()),
      generation: z.int().describe("Grows by one at each reload"),
      users: z.int(),
      items: z.int(),
      addedItems: z.int().describe("How many of the items were added by their text"),
      explains: z.boolean(),
    }),
  ),
  fields: z.array(z.string()),
});
export type ModelAnswer = z.infer<typeof modelAnswer>;

/** The schema as JSON Schema draft 7, which Fastify compiles. */
export function jsonSchema(schema: z.ZodType): Record<string, unknown> {
  const { $schema: _, ...rest } = JSON.parse(JSON.stringify(z.toJSONSchema(schema, { target: "draft-7" })));
  return rest;
}
