// Several models that started alike as one: the mean of their embeddings.
import type { Ensemble } from "@cllm4rec/recommend";
import { TrainingError } from "@cllm4rec/training";
import { contentOf, type SavedModel } from "@cllm4rec/training/model";
import { meanCosine, meanTables } from "@cllm4rec/training/stage";

/**
 * Less than any two runs have that began with the same embeddings (0.82 on Amazon Beauty), more than those that did not
 * (0.08).
 */
const ALIKE = 0.5;

/**
 * The model with the mean embeddings of all of them, and how alike its members are: the least mean cosine between rows
 * of the first's tables and another's, of items, and of users where the prompt has them.
 * @throws TrainingError where there is one only, or where they did not begin alike
 */
export function merged(models: Ensemble): { readonly model: SavedModel; readonly similarity: number } {
  const [first, ...others] = models;
  if (others.length === 0) throw new TrainingError(`models: found ${first.directory} alone, expected two or more`);
  const kinds = first.serving.recommendation.userToken ? (["items", "users"] as const) : (["items"] as const);
  let similarity = 1;
  for (const other of others) {
    for (const kind of kinds) {
      const cosine = meanCosine(first.tables.collaborative[kind], other.tables.collaborative[kind]);
      if (cosine < ALIKE) {
        throw new TrainingError(
          `${other.directory}: found a mean cosine of ${cosine.toFixed(2)} between its ${kind} and those of ` +
            `${first.directory}, expected at least ${ALIKE}: they did not start from the same embeddings, and the ` +
            "mean of unrelated ones is meaningless. Train them from the same texts (--text-share 1) or the same " +
            "pretraining (--from), or use them as an ensemble: evaluate --model " +
            `${models.map(({ directory }) => directory).join(" ")}`,
        );
      }
      similarity = Math.min(similarity, cosine);
    }
  }
  const { metrics: _, ...description } = first.description;
  const { best: __, ...settings } = description.settings;
  return {
    model: {
      description: { ...description, settings: { ...settings, merged: models.map(({ directory }) => directory) } },
      tables: meanTables(models.map(({ tables }) => tables)),
      ...contentOf(first),
    },
    similarity,
  };
}
