// Every weight of a checkpoint as F32 bytes inside some file, ready to be memory-mapped: in place where the checkpoint
// is F32, else converted once into a cache.
import { createHash } from "node:crypto";
import path from "node:path";
import { writeAtomically, writeFully } from "./atomic-file.js";
import { cacheDirectory, cachedEntry } from "./cache-entry.js";
import type { BackboneCheckpoint } from "./checkpoint.js";
import { bitsOf, isWeightDtype, weightDtype, widen } from "./convert.js";
import { CheckpointError, didYouMean, shown, shownShape } from "./errors.js";
import { changedWhileRead, type FileScan, scanFile } from "./file-scan.js";
import { layoutSafetensors, type SafetensorsHeader, type TensorLocation } from "./safetensors.js";
import { fileStamp, hashFile, readFloat32, readPieces, requireLittleEndian } from "./tensor-reader.js";

/**
 * How far the first open of a checkpoint has come, in bytes of the checkpoint's files; a later open jumps to the end at
 * once.
 */
export interface Float32Progress {
  /** `check` reads every byte once (hash and finiteness); `convert` follows only where something must be converted. */
  readonly phase: "check" | "convert";
  readonly done: number;
  readonly total: number;
}

/** Options of {@link openFloat32Weights}. */
export interface Float32Options {
  /** The tensors to provide (default: all F32, F16 and BF16 tensors). Only these must be finite. */
  readonly tensors?: Iterable<string>;
  /** Where converted tensors are kept; default `$XDG_CACHE_HOME/cllm4rec`, or `~/.cache/cllm4rec`. */
  readonly cacheDirectory?: string;
  /** Hash cached files in full even when their size and times say that they are untouched. */
  readonly verify?: boolean;
  readonly onProgress?: (progress: Float32Progress) => void;
  readonly signal?: AbortSignal;
}

/** The weights of a checkpoint as F32 in files. Holds no open files and no tensor data. */
export class Float32Weights {
  /** SHA-256 of the checkpoint's weights: of the file itself, or, for shards, of the list of the shards' hashes. */
  readonly contentHash: string;
  /** By checkpoint name; every `dtype` is F32 and every `byteOffset` a multiple of 4. */
  readonly tensors: ReadonlyMap<string, TensorLocation>;

  /** @internal Use {@link openFloat32Weights}. */
  constructor(contentHash: string, tensors: ReadonlyMap<string, TensorLocation>) {
    this.contentHash = contentHash;
    this.tensors = tensors;
  }

  /**
   * Where the weight `name` is stored.
   * @throws CheckpointError when it is not among those asked for, with the closest name
   */
  tensor(name: string): TensorLocation {
    const tensor = this.tensors.get(name);
    if (tensor) return tensor;
    throw new CheckpointError(`no weight ${shown(name)}${didYouMean(name, this.tensors.keys())}`);
  }

  /** The weight `name` read into memory. */
  read(name: string): Promise<Float32Array> {
    return readFloat32(this.tensor(name));
  }

  /**
   * The files that hold the weights, hashed now: equal before and after training, they prove that the weights are
   * frozen.
   */
  async fileHashes(signal?: AbortSignal): Promise<Record<string, string>> {
    const hashes: [string, string][] = [];
    for (const file of new Set([...this.tensors.values()].map((tensor) => tensor.file))) {
      hashes.push([file, await hashFile(file, signal)]);
    }
    return Object.fromEntries(hashes);
  }
}

/**
 * Opens the weights of a checkpoint as F32 tensors at byte offsets inside files, for an engine that maps them.
 *
 * The first time, every byte is read once: for the content hash, and to find values that are not finite. F32 tensors at
 * offsets that are multiples of 4 stay where they are; F16, BF16 and misaligned F32 tensors are converted, exactly,
 * into one file in the cache, streaming. After that, opening reads headers and a few small records only. A damaged,
 * truncated or modified cache file is noticed and made again; several processes may do all this at the same time.
 *
 * @throws CheckpointError when a tensor asked for is missing, has a dtype other than F32, F16, BF16, or holds an
 * infinity or NaN (naming the tensor and the row-major index of the first), or when the cache cannot be written. An
 * abort throws the signal's reason and leaves nothing half-written.
 */
export async function openFloat32Weights(
  checkpoint: BackboneCheckpoint,
  options: Float32Options = {},
): Promise<Float32Weights> {
  requireLittleEndian();
  const { signal, onProgress } = options;
  const root = cacheDirectory(options.cacheDirectory);
  const wanted: TensorLocation[] = options.tensors
    ? [...new Set(options.tensors)].map((name) => checkpoint.tensor(name))
    : [...checkpoint.tensors.values()].filter((tensor) => isWeightDtype(tensor.dtype));
  for (const tensor of wanted) weightDtype(tensor);

  const scans = await scanAll(checkpoint.files, root, options);
  checkFinite(checkpoint, wanted, scans);
  const sums = checkpoint.files.map((file) => scans.get(file.file)!.sha256);
  const contentHash = sums.length === 1 ? sums[0]! : createHash("sha256").update(JSON.stringify(sums)).digest("hex");

  const tensors = new Map(wanted.map((tensor) => [tensor.name, tensor]));
  const toConvert = wanted.filter((tensor) => tensor.dtype !== "F32" || tensor.byteOffset % 4 !== 0);
  if (toConvert.length > 0) {
    const names = toConvert.map((tensor) => tensor.name).sort();
    const key = createHash("sha256")
      .update(JSON.stringify([1, sums, names]))
      .digest("hex");
    const header = await cachedEntry(root, {
      place: path.join("float32", key.slice(0, 40)),
      verify: options.verify,
      signal,
      accepts: (found) =>
        found.tensors.size === toConvert.length &&
        toConvert.every((tensor) => isConversionOf(found.tensors.get(tensor.name), tensor)),
      build: async (file) => {
        await convertAll(toConvert, file, { metadata: { source: contentHash }, signal, onProgress });
        for (const [source, { stamp }] of scans)
          if ((await fileStamp(source)) !== stamp) throw changedWhileRead(source);
      },
    });
    for (const [name, tensor] of header.tensors) tensors.set(name, tensor);
  }
  return new Float32Weights(contentHash, tensors);
}

function isConversionOf(found: TensorLocation | undefined, source: TensorLocation): boolean {
  return (
    found?.dtype === "F32" &&
    found.shape.length === source.shape.length &&
    found.shape.every((size, axis) => size === source.shape[axis]) &&
    (found.byteOffset % 4 === 0 || found.byteLength === 0)
  );
}

async function scanAll(
  files: readonly SafetensorsHeader[],
  root: string,
  { signal, onProgress }: Float32Options,
): Promise<Map<string, FileScan>> {
  const total = files.reduce((sum, file) => sum + file.fileSize, 0);
  let done = 0;
  const onBytes = (count: number): void => {
    done += count;
    onProgress?.({ phase: "check", done, total });
  };
  const scans = new Map<string, FileScan>();
  for (const file of files) scans.set(file.file, await scanFile(file, root, { signal, onBytes }));
  return scans;
}

function checkFinite(
  checkpoint: BackboneCheckpoint,
  wanted: readonly TensorLocation[],
  scans: ReadonlyMap<string, FileScan>,
): void {
  const names = new Set(wanted.map((tensor) => tensor.name));
  for (const [file, { nonFinite }] of scans) {
    const spoilt = nonFinite.filter(({ tensor }) => names.has(tensor));
    const first = spoilt[0];
    if (!first) continue;
    const more = spoilt.length > 1 ? ` (and so it is in ${spoilt.length} tensors of this file)` : "";
    throw new CheckpointError(
      `${file}: tensor ${shown(first.tensor)} ${shownShape(checkpoint.tensor(first.tensor).shape)}: element ` +
        `${first.index} is ${first.value}${more}; expected finite weights: the checkpoint comes from a run that ` +
        "diverged, or is damaged; use another revision",
    );
  }
}

/** Writes `tensors` widened to F32 as one safetensors file, piece by piece. */
async function convertAll(
  tensors: readonly TensorLocation[],
  target: string,
  options: {
    readonly metadata: Readonly<Record<string, string>>;
    readonly signal: AbortSignal | undefined;
    readonly onProgress: Float32Options["onProgress"];
  },
): Promise<void> {
  const { signal, onProgress } = options;
  const { header, order } = layoutSafetensors(
    tensors.map((source) => ({ name: source.name, dtype: "F32" as const, shape: source.shape, source })),
    options.metadata,
  );
  const total = tensors.reduce((sum, tensor) => sum + tensor.byteLength, 0);
  let done = 0;
  await writeAtomically(target, async (handle) => {
    await writeFully(handle, header);
    // A file is reopened per run of neighbours from it; the order is by name, and shards hold neighbouring layers.
    for (let at = 0; at < order.length; ) {
      const { file } = order[at]!.source;
      let end = at;
      while (end < order.length && order[end]!.source.file === file) end++;
      const parts = order.slice(at, end).map(({ source }) => source);
      at = end;
      for await (const { part, bytes } of readPieces(file, parts, signal)) {
        const bits = bitsOf(weightDtype(part), bytes);
        const widened = new Uint32Array(bits.length);
        widen(weightDtype(part), bits, widened);
        await writeFully(handle, new Uint8Array(widened.buffer));
        done += bytes.length;
        onProgress?.({ phase: "convert", done, total });
      }
    }
  });
}

/**
 * The deepest folder that holds all of these tensors' files, and each file's path relative to it, with `/` between
 * segments: onnxruntime takes one folder per model for external data, refuses absolute paths and any path that leads
 * out of the folder, also through a symbolic link.
 *
 * @throws CheckpointError when the files are on different drives (Windows); the cache must then be put on the
 *   checkpoint's drive
 */
export function externalDataFolder(tensors: Iterable<Pick<TensorLocation, "file">>): {
  readonly folder: string;
  readonly relative: (tensor: Pick<TensorLocation, "file">) => string;
} {
  const files = [...new Set([...tensors].map((tensor) => tensor.file))];
  if (files.length === 0) throw new CheckpointError("no tensors: there is no folder to choose");
  let folder = path.dirname(files[0]!);
  for (const file of files) {
    while (path.relative(folder, file).split(path.sep)[0] === "..") folder = path.dirname(folder);
    if (path.isAbsolute(path.relative(folder, file))) {
      throw new CheckpointError(
        `${file} and ${files[0]} are on different drives; choose a cacheDirectory on the drive of the checkpoint`,
      );
    }
  }
  return { folder, relative: (tensor) => path.relative(folder, tensor.file).split(path.sep).join("/") };
}
