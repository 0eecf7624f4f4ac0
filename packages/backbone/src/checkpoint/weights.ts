// Accounting: every tensor of a checkpoint against every weight of an architecture, with nothing missing, left over or
// mis-shaped. Tied matrices may be stored once under any of their names, or several times with the same bytes.
import type { BackboneCheckpoint } from "./checkpoint.js";
import { isWeightDtype } from "./convert.js";
import { CheckpointError, didYouMean, shown, shownShape } from "./errors.js";
import type { TensorLocation } from "./safetensors.js";
import { readPieces } from "./tensor-reader.js";

/** A weight that an architecture has. */
export interface ExpectedWeight {
  /** The architecture's own name for it, under which it is claimed. */
  readonly name: string;
  readonly shape: readonly number[];
  /**
   * Other names under which the same values may be stored: without a prefix (`wte.weight` for
   * `transformer.wte.weight`), or the other end of a tie (`lm_head.weight` for `model.embed_tokens.weight`). If several
   * are there, their bytes must be equal.
   */
  readonly aliases?: readonly string[];
  /** Whether it may be absent. */
  readonly optional?: boolean;
}

/** The result of {@link claimWeights}. */
export interface ClaimedWeights {
  /**
   * By the architecture's name, in the order expected; the location's `name` is the one in the file. Absent optional
   * ones are not in it.
   */
  readonly tensors: ReadonlyMap<string, TensorLocation>;
  /** Tensors of the checkpoint that only repeat a claimed one under an alias. */
  readonly duplicates: readonly string[];
  /** Tensors of the checkpoint that matched `ignore`. */
  readonly ignored: readonly string[];
}

const SHOWN = 8;

/**
 * Finds every weight that an architecture expects among the tensors of a checkpoint, and proves that none is left over.
 *
 * @param expected the architecture's weights; no two may have a name or alias in common
 * @param options.ignore names of tensors that are known not to be weights (masks, position buffers); each must match
 * the whole name if it is meant to, so anchor it: `/^h\.\d+\.attn\.bias$/`. An expected name is never ignored
 * @throws CheckpointError listing, in one message, every weight that is missing, has another shape or a dtype that is
 * not F32, F16 or BF16, every tensor that nobody expects, each with the closest name, and every pair stored under two
 * names of one weight with different bytes
 */
export async function claimWeights(
  checkpoint: BackboneCheckpoint,
  expected: readonly ExpectedWeight[],
  { ignore = [], signal }: { readonly ignore?: readonly RegExp[]; readonly signal?: AbortSignal } = {},
): Promise<ClaimedWeights> {
  const claimants = claimantsOf(expected);
  const problems: string[] = [];

  const unexpected: string[] = [];
  const ignored: string[] = [];
  for (const name of checkpoint.tensors.keys()) {
    if (claimants.has(name)) continue;
    (ignore.some((pattern) => name.search(pattern) >= 0) ? ignored : unexpected).push(name);
  }

  const tensors = new Map<string, TensorLocation>();
  const duplicates: string[] = [];
  for (const weight of expected) {
    const found = namesOf(weight).flatMap((name) => checkpoint.tensors.get(name) ?? []);
    const [first, ...others] = found;
    if (!first) {
      if (!weight.optional) {
        const hint = problems.length < SHOWN ? didYouMean(weight.name, unexpected) : ""; // the others are only counted
        const also = weight.aliases?.length ? ` (also known as ${weight.aliases.join(", ")})` : "";
        problems.push(`missing weight ${shown(weight.name)} ${shownShape(weight.shape)}${also}${hint}`);
      }
      continue;
    }
    const unfit = found.map((tensor) => misfit(tensor, weight)).filter((text) => text !== undefined);
    problems.push(...unfit);
    if (unfit.length > 0) continue;
    for (const other of others) {
      const problem = await difference(first, other, signal);
      if (problem) problems.push(problem);
      duplicates.push(other.name);
    }
    tensors.set(weight.name, first);
  }
  for (const name of unexpected) {
    const { shape } = checkpoint.tensor(name);
    const hint = problems.length < SHOWN ? didYouMean(name, claimants.keys()) : "";
    problems.push(`unexpected tensor ${shown(name)} ${shownShape(shape)}${hint}`);
  }

  if (problems.length > 0) {
    const what = `${checkpoint.directory}: the weights do not fit the architecture that config.json describes:`;
    const next = "Check that config.json and the safetensors files belong to the same model and revision.";
    if (problems.length === 1) throw new CheckpointError(`${what} ${problems[0]}. ${next}`);
    const rest = problems.length > SHOWN ? [`  … and ${problems.length - SHOWN} more`] : [];
    throw new CheckpointError(what, [...problems.slice(0, SHOWN).map((problem) => `  ${problem}`), ...rest, next]);
  }
  return { tensors, duplicates, ignored };
}

function namesOf(weight: ExpectedWeight): string[] {
  return [weight.name, ...(weight.aliases ?? [])];
}

/** Which weight each name and alias belongs to. */
function claimantsOf(expected: readonly ExpectedWeight[]): Map<string, string> {
  const claimants = new Map<string, string>();
  for (const weight of expected) {
    for (const name of namesOf(weight)) {
      const other = claimants.get(name);
      if (other !== undefined)
        throw new Error(`two expected weights, "${other}" and "${weight.name}", lay claim to the name "${name}"`);
      claimants.set(name, weight.name);
    }
  }
  return claimants;
}

function misfit(tensor: TensorLocation, weight: ExpectedWeight): string | undefined {
  if (tensor.shape.length !== weight.shape.length || tensor.shape.some((size, axis) => size !== weight.shape[axis])) {
    return `${shown(tensor.name)} has shape ${shownShape(tensor.shape)}, expected ${shownShape(weight.shape)}`;
  }
  if (!isWeightDtype(tensor.dtype)) return `${shown(tensor.name)} has dtype ${tensor.dtype}, expected F32, F16 or BF16`;
  return undefined;
}

/**
 * What is wrong with two tensors that should be one, or `undefined` when their bytes are equal. Shapes are known to be
 * equal.
 */
async function difference(
  a: TensorLocation,
  b: TensorLocation,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const same = `${shown(a.name)} and ${shown(b.name)} are one weight in this architecture`;
  if (a.dtype !== b.dtype) return `${same}, but have dtypes ${a.dtype} and ${b.dtype}`;
  const left = readPieces(a.file, [a], signal);
  try {
    for await (const { bytes, partOffset } of readPieces(b.file, [b], signal)) {
      const piece = await left.next(); // the same lengths give the same pieces
      if (piece.done || Buffer.compare(piece.value.bytes, bytes) !== 0) {
        return (
          `${same}, but their values differ (in the ${bytes.length} bytes from ${partOffset} on); if the output ` +
          'head is not tied, config.json should say "tie_word_embeddings": false'
        );
      }
    }
  } finally {
    await left.return();
  }
  return undefined;
}
