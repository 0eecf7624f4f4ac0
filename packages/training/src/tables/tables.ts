// The trainable parameters, all of them: collaborative and content embeddings of users and items, initialised as Eq. 1
// and 2 say. Shape legend: I users, J items, K width of the backbone.
import { createHash } from "node:crypto";
import type { EmbeddingTable, SoftTables } from "@cllm4rec/backbone";
import { TrainingError } from "../error.js";
import { fillNormal } from "../random/normal.js";

/** Which of the two embeddings of a token: z^l (collaborative) or z^c (content). */
export type Side = "collaborative" | "content";

/** Every parameter that CLLM4Rec trains. */
export interface TokenTables {
  /** z^l: users [I, K], items [J, K] */
  readonly collaborative: SoftTables;
  /** z^c, of the same shapes; absent where there is no text (LLM-CF). */
  readonly content?: SoftTables;
  /** W of the text map, [F, K]: the items' embeddings are δ + xᵀW. Absent: they are free, as in the paper. */
  readonly textMap?: EmbeddingTable;
}

/** What decides the initial tables. */
export interface InitialTablesOptions {
  /** I */
  readonly users: number;
  /** J */
  readonly items: number;
  /** K */
  readonly width: number;
  /** An integer from 0 to 2⁵³ − 1. */
  readonly seed: number;
  /**
   * λ_l^(−1/2) of Eq. 1, the standard deviation of z^l. The released code has 0.02; REFERENCE: choose it per backbone.
   */
  readonly priorDeviation: number;
  /**
   * λ_c^(−1/2) of Eq. 2, the standard deviation of z^c around z^l. Absent: no content tables are made. The λ_c that
   * weighs the objective is a setting of its own: with λ_c = 1 as the deviation, z^c would be noise fifty times as
   * large as z^l.
   */
  readonly contentDeviation?: number;
  /**
   * What texts say of users and items, rows of root mean square 1 or 0 ({@link textMeans}), as the mean of Eq. 1 in
   * place of 0: a row with text starts at priorDeviation·(√share·text + √(1−share)·noise), so that its deviation stays
   * what it was. Our addition; absent: the paper's.
   */
  readonly texts?: { readonly means: SoftTables; readonly share: number };
}

/** One stream of random numbers for each table; part of what a seed means. */
const STREAM = { "collaborative.users": 1, "collaborative.items": 2, "content.users": 3, "content.items": 4 } as const;

/**
 * Eq. 1: z^l ~ N(0, λ_l⁻¹ I). Eq. 2: z^c ~ N(z^l, λ_c⁻¹ I). The same bits on every machine; user i's and item j's row
 * do not depend on how many users and items there are.
 * @throws TrainingError for sizes that are no positive integers and deviations that are negative or not finite
 */
export function initialTables(options: InitialTablesOptions): TokenTables {
  const { users, items, width, priorDeviation, contentDeviation } = options;
  for (const [name, value] of Object.entries({ users, items, width })) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw new TrainingError(`${name}: found ${value}, expected a positive integer`);
  }
  const collaborative = {
    users: normalTable(users, options, "collaborative.users", priorDeviation),
    items: normalTable(items, options, "collaborative.items", priorDeviation),
  };
  if (options.texts) for (const kind of ["users", "items"] as const) blendTexts(collaborative[kind], kind, options);
  if (contentDeviation === undefined) return { collaborative };
  return {
    collaborative,
    content: {
      users: normalTable(users, options, "content.users", contentDeviation, collaborative.users),
      items: normalTable(items, options, "content.items", contentDeviation, collaborative.items),
    },
  };
}

function normalTable(
  rows: number,
  { width, seed }: InitialTablesOptions,
  stream: keyof typeof STREAM,
  deviation: number,
  mean?: EmbeddingTable,
): EmbeddingTable {
  if (!(deviation >= 0 && Number.isFinite(deviation))) {
    throw new TrainingError(`deviation of ${stream}: found ${deviation}, expected a finite number of at least 0`);
  }
  const data = new Float32Array(rows * width);
  fillNormal(data, width, seed, STREAM[stream]);
  for (let i = 0; i < data.length; i++) data[i] = (mean ? mean.data[i]! : 0) + deviation * data[i]!;
  return { rows, data };
}

/** Deep copies. */
export function copyTables(tables: TokenTables): TokenTables {
  const table = ({ rows, data }: EmbeddingTable) => ({ rows, data: data.slice() });
  const side = ({ users, items, skipGain }: SoftTables) => ({
    users: table(users),
    items: table(items),
    ...(skipGain && { skipGain: skipGain.slice() }),
  });
  const { collaborative, content, textMap } = tables;
  return {
    collaborative: side(collaborative),
    ...(content && { content: side(content) }),
    ...(textMap && { textMap: table(textMap) }),
  };
}

/** SHA-256 (hex) of all numbers: what tells the tables that a run begins with from others. */
export function hashTables({ collaborative, content, textMap }: TokenTables): string {
  const digest = createHash("sha256");
  const add = ({ buffer, byteOffset, byteLength }: Float32Array) =>
    digest.update(new Uint8Array(buffer, byteOffset, byteLength));
  for (const { users, items, skipGain } of content ? [collaborative, content] : [collaborative]) {
    for (const { data } of [users, items]) add(data);
    if (skipGain) add(skipGain);
  }
  if (textMap) add(textMap.data);
  return digest.digest("hex");
}

/** Replaces a share of each row's variance by what its texts say; rows without text stay as they are. */
function blendTexts(
  { rows, data }: EmbeddingTable,
  kind: "users" | "items",
  { texts, width, priorDeviation }: InitialTablesOptions,
): void {
  const { means, share } = texts!;
  if (!(share >= 0 && share <= 1))
    throw new TrainingError(`texts.share: found ${share}, expected a number from 0 to 1`);
  const mean = means[kind];
  if (mean.rows !== rows || mean.data.length !== data.length) {
    throw new TrainingError(
      `texts.means.${kind}: found ${mean.rows} rows (${mean.data.length} numbers), expected ${rows} of width ${width}`,
    );
  }
  const [ofText, ofNoise] = [priorDeviation * Math.sqrt(share), Math.sqrt(1 - share)];
  for (let row = 0; row < rows; row++) {
    const [from, to] = [row * width, (row + 1) * width];
    if (mean.data.subarray(from, to).every((x) => x === 0)) continue;
    for (let at = from; at < to; at++) data[at] = ofText * mean.data[at]! + ofNoise * data[at]!;
  }
}
