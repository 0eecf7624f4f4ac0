// Ragged documents of an encoder–decoder into rows of the decoder, each with a row of what its documents' prompts have
// become.

/**
 * Where one document is: in row `row`, its main text and what the encoder has made of its prompt, from these
 * positions on.
 */
export interface PairPlacement {
  readonly row: number;
  readonly decoderOffset: number;
  readonly memoryOffset: number;
}

export interface PairPacking {
  readonly rows: number;
  /** T */
  readonly decoderLength: number;
  /** S */
  readonly memoryLength: number;
  /** In the order of the pairs. */
  readonly placements: readonly PairPlacement[];
}

/** Lengths of one document's two sequences, each at least 1. */
export interface PairLengths {
  readonly encoder: number;
  readonly decoder: number;
}

/** How much longer than the evenest division rows may be, so that the pairs fit into fewer of them. */
const DECODER_SLACKS = [1, 1.01, 1.03, 1.06];
const MEMORY_SLACKS = [1, 1.05, 1.15, 1.4, 2];
const MOST_DIVISIONS = 32;

/**
 * Packs documents so that the decoder's rows cost least to compute; the encoder's rows are packed by themselves
 * (`packSequences`). In units of 2·width operations a decoder token costs 7·width + T + S (linear layers, attention to
 * the row and to the memory), a memory token width (its keys and values). Rows are filled first-fit in order of falling
 * size, where both parts have to fit: the result depends on the lengths alone.
 *
 * @param options.width K of the backbone
 * @param options.multiple rows of the decoder are a multiple of this long (1 where absent)
 * @throws RangeError for an empty list or a length that is no positive integer
 */
export function packPairs(
  pairs: readonly PairLengths[],
  { width, multiple = 1 }: { readonly width: number; readonly multiple?: number },
): PairPacking {
  if (pairs.length === 0) throw new RangeError("there are no sequences to pack");
  pairs.forEach((pair, i) => {
    for (const side of ["encoder", "decoder"] as const) {
      if (!Number.isInteger(pair[side]) || pair[side] < 1)
        throw new RangeError(`sequence ${i} has length ${pair[side]} in the ${side}, expected at least 1`);
    }
  });
  const memory = totals(pairs.map((pair) => pair.encoder));
  const decoder = totals(pairs.map((pair) => pair.decoder));
  const sizes = pairs.map((pair) => pair.encoder / memory.total + pair.decoder / decoder.total);
  const order = pairs.map((_, i) => i).sort((a, b) => sizes[b]! - sizes[a]! || a - b);
  const tried = new Set<string>();
  const rowCost = (T: number, S: number) => S * width + T * (7 * width + T + S);
  let best: PairPacking | undefined;
  let bestCost = Number.POSITIVE_INFINITY;
  for (const division of divisions(pairs.length)) {
    for (const decoderSlack of DECODER_SLACKS) {
      const T = roundUp(rowLength(decoder, division, decoderSlack), multiple);
      for (const memorySlack of MEMORY_SLACKS) {
        const S = rowLength(memory, division, memorySlack);
        if (tried.has(`${T} ${S}`)) continue;
        tried.add(`${T} ${S}`);
        // Rows shrink to what is used, but their number, and what has to be in them, do not.
        const fewest = Math.max(Math.ceil(memory.total / S), Math.ceil(decoder.total / T));
        const [shortT, shortS] = [shortest(decoder, fewest), shortest(memory, fewest)];
        if (fewest * rowCost(shortT, shortS) >= bestCost) continue;
        const mostRows = bestCost / rowCost(decoder.longest, memory.longest);
        const packing = firstFit(pairs, order, T, S, multiple, mostRows);
        if (!packing) continue;
        const cost = packing.rows * rowCost(packing.decoderLength, packing.memoryLength);
        if (cost < bestCost) [best, bestCost] = [packing, cost];
      }
    }
  }
  return best!;
}

interface Totals {
  readonly total: number;
  readonly longest: number;
}

const totals = (lengths: readonly number[]): Totals => ({
  total: lengths.reduce((a, b) => a + b, 0),
  longest: lengths.reduce((a, b) => Math.max(a, b), 0),
});

const shortest = ({ total, longest }: Totals, rows: number) => Math.max(longest, total / rows);

const rowLength = (of: Totals, rows: number, slack: number) =>
  Math.max(of.longest, Math.ceil((of.total / rows) * slack));

const roundUp = (length: number, multiple: number) => Math.ceil(length / multiple) * multiple;

/** Numbers of rows worth a try, from one for each pair down to one for all. */
function divisions(most: number): number[] {
  const step = Math.max(1, Math.floor(most / MOST_DIVISIONS));
  const found: number[] = [];
  for (let rows = most; rows >= 1; rows -= step) found.push(rows);
  if (found.at(-1) !== 1) found.push(1);
  return found;
}

/** Nothing where more than `mostRows` would be needed. */
function firstFit(
  pairs: readonly PairLengths[],
  order: readonly number[],
  T: number,
  S: number,
  multiple: number,
  mostRows: number,
): PairPacking | undefined {
  const decoderUsed = new Uint32Array(pairs.length);
  const memoryUsed = new Uint32Array(pairs.length);
  const placements = new Array<PairPlacement>(pairs.length);
  let [rows, firstOpen, decoderLength, memoryLength] = [0, 0, 0, 0]; // rows before firstOpen are full
  for (const i of order) {
    const { encoder, decoder } = pairs[i]!;
    let row = firstOpen;
    while (row < rows && (decoderUsed[row]! + decoder > T || memoryUsed[row]! + encoder > S)) row++;
    if (row === rows && ++rows > mostRows) return undefined;
    placements[i] = { row, decoderOffset: decoderUsed[row]!, memoryOffset: memoryUsed[row]! };
    decoderUsed[row]! += decoder;
    memoryUsed[row]! += encoder;
    decoderLength = Math.max(decoderLength, decoderUsed[row]!);
    memoryLength = Math.max(memoryLength, memoryUsed[row]!);
    while (firstOpen < rows && (decoderUsed[firstOpen] === T || memoryUsed[firstOpen] === S)) firstOpen++;
  }
  return { rows, decoderLength: roundUp(decoderLength, multiple), memoryLength, placements };
}
