// Ragged sequences into rows of one length: several short sequences share a row, and attention is kept apart by
// segment.

/** Where one sequence is: positions `offset` to `offset + length − 1` of row `row`. */
export interface Placement {
  readonly row: number;
  readonly offset: number;
}

export interface Packing {
  readonly rows: number;
  readonly rowLength: number;
  /** In the order of the sequences. */
  readonly placements: readonly Placement[];
}

/** See {@link packSequences}. */
export interface PackingOptions {
  readonly width: number;
  readonly headSize: number;
  readonly multiple?: number;
  readonly reserved?: number;
}

/**
 * By epochs of finetuning timed with onnxruntime, heads of 16: on one thread 0 takes a quarter longer, 512 a little; on
 * two they are alike.
 */
const SCORE_OPERATIONS = 256;

/**
 * Packs sequences so that the rows cost least to compute. In units of 4·width operations a token costs 6·width for the
 * linear layers of a transformer block and rowLength for the products of attention, so longer rows, which pack tighter,
 * are weighed against their attention. What is done to each score beside the products (mask, softmax, their gradients)
 * takes the time of {@link SCORE_OPERATIONS} in a product. Rows are filled first-fit in order of falling length
 * (Johnson 1973), ties by index: the result depends on the lengths alone.
 *
 * @param lengths of the sequences, each at least 1
 * @param options.width K of the backbone
 * @param options.headSize D of its attention, of which there are K/D heads
 * @param options.multiple rows are a multiple of this long (1 where absent)
 * @param options.reserved positions at the start of every row that are kept free, for what all its sequences share (0
 *   where absent)
 * @throws RangeError for an empty list or a length that is no positive integer
 */
export function packSequences(
  lengths: readonly number[],
  { width, headSize, multiple = 1, reserved = 0 }: PackingOptions,
): Packing {
  if (lengths.length === 0) throw new RangeError("there are no sequences to pack");
  lengths.forEach((length, i) => {
    if (!Number.isInteger(length) || length < 1)
      throw new RangeError(`sequence ${i} has length ${length}, expected at least 1`);
  });
  const order = lengths.map((_, i) => i).sort((a, b) => lengths[b]! - lengths[a]! || a - b);
  const longest = lengths[order[0]!]!;
  const total = lengths.reduce((a, b) => a + b, 0);
  const attention = 1 + SCORE_OPERATIONS / (4 * headSize);
  let best: Packing | undefined;
  let bestCost = Number.POSITIVE_INFINITY;
  for (const rowLength of candidateLengths(longest, total, multiple, reserved)) {
    const packing = firstFit(lengths, order, rowLength, reserved);
    const cost = packing.rows * rowLength * (6 * width + rowLength * attention);
    if (cost < bestCost) {
      best = packing;
      bestCost = cost;
    }
  }
  return best!;
}

/**
 * Row lengths worth a try: a little beyond the longest sequence, and total / rows with a little slack for every
 * plausible number of rows.
 */
function candidateLengths(longest: number, total: number, multiple: number, reserved: number): number[] {
  const round = (length: number) => Math.ceil((reserved + length) / multiple) * multiple;
  const candidates = new Set<number>();
  const mostRows = Math.ceil(total / longest);
  if (mostRows === 1) return [round(longest)];
  for (let extra = 0; extra <= 16; extra++) candidates.add(round(longest + Math.floor((longest * extra) / 64)));
  // At most 48 numbers of rows, evenly spread
  const step = Math.max(1, Math.floor(mostRows / 48));
  for (let rows = mostRows; rows >= 1; rows -= step) {
    for (const slack of [1, 1.005, 1.01, 1.02, 1.03, 1.04]) {
      candidates.add(round(Math.max(longest, Math.ceil((total / rows) * slack))));
    }
  }
  return [...candidates].sort((a, b) => a - b);
}

function firstFit(lengths: readonly number[], order: readonly number[], rowLength: number, reserved: number): Packing {
  const used: number[] = [];
  const placements = new Array<Placement>(lengths.length);
  let firstOpen = 0; // rows before it are full
  for (const i of order) {
    const length = lengths[i]!;
    let row = firstOpen;
    while (row < used.length && used[row]! + length > rowLength) row++;
    if (row === used.length) used.push(reserved);
    placements[i] = { row, offset: used[row]! };
    used[row]! += length;
    while (firstOpen < used.length && used[firstOpen] === rowLength) firstOpen++;
  }
  return { rows: used.length, rowLength, placements };
}
