// What is known of each user: the histories of a model directory, or those of its dataset where an older model has
// none.
import { type Csr, csrRow, uniteHistories } from "@cllm4rec/corpus/prompts";
import { HISTORY_SPLITS, type Histories } from "@cllm4rec/training/model";
import { openItsDataset, readModelContent } from "./directory/content.js";
import type { Ensemble } from "./directory/trained-model.js";
import { NotAvailableError, reasonOf } from "./error.js";

/**
 * Which splits of the dataset count as a user's history. `all`: train, validation and test, everything that is known.
 */
export const KNOWN = ["all", "train+validation", "train"] as const;
export type Known = (typeof KNOWN)[number];

/** Histories by row of the user table, and titles by row of the item table. */
export interface KnownContent {
  /** @throws NotAvailableError where the model directory has no histories and its dataset cannot be read */
  historyOf(user: number): Int32Array;
  readonly titles: readonly (string | null)[] | undefined;
}

/** Puts together what the models' directories hold; a model without histories is completed from its dataset. */
export async function openContent(
  models: Ensemble,
  {
    known,
    data,
    onNotice,
  }: { readonly known: Known; readonly data?: string; readonly onNotice?: (message: string) => void },
): Promise<KnownContent> {
  const owner = models.find(({ histories }) => histories) ?? models[0];
  const titles = models.find((model) => model.titles)?.titles;
  if (owner.histories) return { titles, historyOf: rowsOf(unite(owner.histories, known)) };
  const { directory } = owner;
  try {
    const dataset = await openItsDataset(owner, data);
    try {
      const { histories = {}, titles: theirs } = await readModelContent(dataset);
      onNotice?.(
        `${directory}: the model directory has no histories; those of its dataset ${dataset.directory} are used`,
      );
      return { titles: titles ?? theirs, historyOf: rowsOf(unite(histories, known)) };
    } finally {
      dataset.close();
    }
  } catch (error) {
    const problem = `${directory}: the model directory has no histories, and its dataset cannot be read`;
    onNotice?.(`${problem}: it recommends for histories, not for users`);
    return {
      titles,
      historyOf() {
        throw new NotAvailableError("no-histories", `${problem}: ${reasonOf(error)}`, { cause: error });
      },
    };
  }
}

const rowsOf = (matrix: Csr | undefined) => (user: number) => (matrix ? csrRow(matrix, user) : new Int32Array(0));

function unite(histories: Histories, known: Known): Csr | undefined {
  const wanted = known === "all" ? HISTORY_SPLITS : known.split("+");
  return HISTORY_SPLITS.filter((split) => wanted.includes(split))
    .flatMap((split) => histories[split] ?? [])
    .reduce<Csr | undefined>((united, matrix) => (united ? uniteHistories(united, matrix) : matrix), undefined);
}
