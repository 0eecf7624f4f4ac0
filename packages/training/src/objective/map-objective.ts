// One batch of the MAP objective: a language model's loss and the squared terms, with the gradient towards one side's
// tables.
import type {
  BaseModel,
  HeldOutInput,
  LanguageInput,
  LanguageModel,
  LossGradients,
  LossOptions,
  LossResult,
  SoftTables,
} from "@cllm4rec/backbone";
import { TrainingError } from "../error.js";
import type { TextMap } from "../text-map/text-map.js";
import { countOccurrences } from "./occurrences.js";
import { addPenalty, penaltyWeight, type RegulariserScaling } from "./regulariser.js";

/** A batch with the loss that it is for: Eq. 4 (`next-item`), Eq. 5 (`next-word`) or Eq. 9 (`held-out`). */
export type LossBatch =
  | { readonly loss: "next-item" | "next-word"; readonly documents: readonly LanguageInput[] }
  | { readonly loss: "held-out"; readonly documents: readonly HeldOutInput[] };

export interface MapObjectiveOptions {
  /** The side that is trained. */
  readonly tables: SoftTables;
  /**
   * The language model reads δ + f(x) for the items, δ being what `tables` holds; the squared terms are of δ, so that
   * the mean of Eq. 1 is f(x) in place of 0.
   */
  readonly textMap?: TextMap | undefined;
  /** The other side, held fixed (ẑ of Eq. 7, 8 and 10). Absent: no such term. */
  readonly towards?: SoftTables;
  /** λ_c ≥ 0; default 0. */
  readonly lambdaC?: number;
  /** λ_l ≥ 0, the prior of Eq. 1 on z^l; default 0, as in the paper. Set it for the collaborative side only. */
  readonly lambdaL?: number;
  /** Default `paper`. */
  readonly scaling?: RegulariserScaling;
  /** Passed on to the base model. */
  readonly lossOptions?: Omit<LossOptions, "reduction" | "gradients">;
}

export interface MapObjectiveResult {
  /** languageModel + mutual + prior: what the gradients are of. */
  readonly objective: number;
  /**
   * −log p, averaged over targets (`next-item`, `next-word`) or over documents (`held-out`: a sum over each user's
   * held-out items).
   */
  readonly languageModel: number;
  /** The λ_c term, in the same units. */
  readonly mutual: number;
  /** The λ_l term, in the same units. */
  readonly prior: number;
  /** Towards the side that is trained, and towards the weights in use where the backbone is trained too. */
  readonly gradients: LossGradients;
  /** ∂objective/∂W, [F, K]; with a `textMap`. */
  readonly textMapGradient?: Float32Array;
  readonly targets: number;
  readonly usefulTokens: number;
  readonly computedTokens: number;
}

/**
 * The objective of the L-step (Eq. 7), the C-step (Eq. 8) or the rec-step (Eq. 10) on one batch, to be *minimised*:
 * −log-likelihood plus the squared terms. The minus signs printed before the squared terms in the paper are slips; see
 * Eq. 6.
 * @throws TrainingError for a negative λ, or λ_c above 0 without `towards`
 */
export async function mapObjective(
  model: BaseModel<LanguageModel>,
  batch: LossBatch,
  { tables, textMap, towards, lambdaC = 0, lambdaL = 0, scaling = "paper", lossOptions = {} }: MapObjectiveOptions,
): Promise<MapObjectiveResult> {
  for (const [name, value] of Object.entries({ lambdaC, lambdaL })) {
    if (!(value >= 0 && Number.isFinite(value)))
      throw new TrainingError(`${name}: found ${value}, expected a finite number of at least 0`);
  }
  if (lambdaC > 0 && !towards) {
    throw new TrainingError(
      `lambdaC: found ${lambdaC} without tables to be drawn towards; pass \`towards\`, or lambdaC 0`,
    );
  }
  const result = await lossOf(model, batch, textMap?.embeddings(tables) ?? tables, lossOptions);
  const textMapGradient = textMap?.gradient(result.gradients.items); // before the squared terms of δ join it
  const divisor = batch.loss === "held-out" ? batch.documents.length : result.targets;
  const coupling = towards ? penaltyWeight(lambdaC, scaling, divisor) : 0;
  const shrinkage = penaltyWeight(lambdaL, scaling, divisor);
  const occurrences = countOccurrences(batch.documents, model.vocabulary);
  const { width } = model.vocabulary;
  const penalised = (kind: "users" | "items") => {
    const first = addPenalty(result.gradients[kind], tables[kind], towards?.[kind], occurrences[kind], coupling, width);
    const second = addPenalty(first.gradient, tables[kind], undefined, occurrences[kind], shrinkage, width);
    return { gradient: second.gradient, mutual: first.value, prior: second.value };
  };
  const [users, items] = [penalised("users"), penalised("items")];
  const mutual = users.mutual + items.mutual;
  const prior = users.prior + items.prior;
  return {
    objective: result.loss + mutual + prior,
    languageModel: result.loss,
    mutual,
    prior,
    gradients: { ...result.gradients, users: users.gradient, items: items.gradient },
    ...(textMapGradient && { textMapGradient }),
    targets: result.targets,
    usefulTokens: result.usefulTokens,
    computedTokens: result.computedTokens,
  };
}

async function lossOf(
  model: BaseModel<LanguageModel>,
  batch: LossBatch,
  tables: SoftTables,
  options: Omit<LossOptions, "reduction" | "gradients">,
): Promise<LossResult & Required<Pick<LossResult, "gradients">>> {
  const result =
    batch.loss === "held-out"
      ? await model.heldOutLoss(batch.documents, tables, { ...options, reduction: "document-mean" })
      : batch.loss === "next-item"
        ? await model.nextItemLoss(batch.documents, tables, { ...options, reduction: "target-mean" })
        : await model.nextWordLoss(batch.documents, tables, { ...options, reduction: "target-mean" });
  if (!result.gradients) throw new TrainingError("the base model returned no gradients");
  return { ...result, gradients: result.gradients };
}
