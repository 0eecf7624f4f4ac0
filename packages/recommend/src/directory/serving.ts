// What a model directory says of how its model predicts: prompt, tokenizer and dataset of training.
import { definePrompts, type Prompts } from "@cllm4rec/corpus/prompts";
import type { ModelDescription } from "@cllm4rec/training/model";
import { z } from "zod";
import { RecommendError, reasonOf } from "../error.js";

const template = z.string().exactOptional();

const schema = z.object({
  /**
   * What the model was trained on: the path then, and a hash of its content. Absent where it was no dataset directory.
   */
  dataset: z.object({ path: z.string(), hash: z.string() }).exactOptional(),
  /** SHA-256 of the tokenizer's files, `hashTokenizer` of `@cllm4rec/corpus`. */
  tokenizer: z.string(),
  /** Blocks of the backbone in use; null: all. */
  layers: z.int().positive().nullable(),
  /** The prompt of prediction, which has to be the one of training. */
  recommendation: z.object({
    userToken: z.boolean(),
    order: z.enum(["shuffled", "fixed"]),
    /** Null: what the backbone has positions for. */
    maxLength: z.int().positive().nullable(),
    seed: z.int().nonnegative(),
    /** Those that differ from the paper's. */
    prompts: z.strictObject({
      interactions: template,
      review: template,
      itemText: template,
      userText: template,
      recommendation: template,
      historyOnly: template,
    }),
  }),
});

/** How a model predicts. Whoever trains writes it into the model's description as `settings.serving`. */
export type Serving = z.infer<typeof schema>;

/**
 * Reads and checks what a description says of serving, the prompts' templates included.
 * @throws RecommendError naming the directory and the setting or prompt
 */
export function readServing(
  directory: string,
  { settings }: Pick<ModelDescription, "settings">,
): { readonly serving: Serving; readonly prompts: Prompts } {
  const parsed = schema.safeParse(settings.serving);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const what =
      settings.serving === undefined
        ? "settings.serving is absent"
        : `settings.serving.${issue?.path.join(".")}: ${issue?.message}`;
    throw new RecommendError(
      `${directory}: the model does not say which tokenizer and prompts it was trained with (${what}); ` +
        "train it with the command line, or give `output.tokenizerHash` to `finetune` or `pretrain`",
    );
  }
  try {
    return { serving: parsed.data, prompts: definePrompts(parsed.data.recommendation.prompts) };
  } catch (error) {
    throw new RecommendError(`${directory}: ${reasonOf(error)}`, { cause: error });
  }
}
