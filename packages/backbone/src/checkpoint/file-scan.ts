// One pass over a safetensors file: its SHA-256 and the first non-finite value of each float tensor. Done once per file
// content. The result is remembered beside the conversion cache under the file's path, stamp and header, so that a
// second open reads nothing.
import { createHash } from "node:crypto";
import path from "node:path";
import { z } from "zod";
import { writeAtomically, writeFully } from "./atomic-file.js";
import { bitsOf, describeNonFinite, firstNonFinite, isWeightDtype, WEIGHT_BYTES } from "./convert.js";
import { CheckpointError } from "./errors.js";
import { readJsonObject } from "./json.js";
import { makeDirectory } from "./make-directory.js";
import type { SafetensorsHeader } from "./safetensors.js";
import { fileStamp, readPieces } from "./tensor-reader.js";

const scanSchema = z.object({
  format: z.literal(1),
  file: z.string(),
  stamp: z.string(),
  header: z.string(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  nonFinite: z.array(z.object({ tensor: z.string(), index: z.number().int().nonnegative(), value: z.string() })),
});

/** What one pass over a file found. */
export interface FileScan {
  /** Size, inode and times of the file when it was read; see `fileStamp`. */
  readonly stamp: string;
  /** Hex SHA-256 of the whole file: for a file from the hub, the id under which the hub stores it. */
  readonly sha256: string;
  /** For each F32, F16 or BF16 tensor that holds an infinity or NaN: the row-major index of the first. */
  readonly nonFinite: readonly { readonly tensor: string; readonly index: number; readonly value: string }[];
}

/** The file's scan, from `cacheRoot` when the file is unchanged since it was made, else by reading the file once. */
export async function scanFile(
  header: SafetensorsHeader,
  cacheRoot: string,
  { signal, onBytes }: { readonly signal?: AbortSignal | undefined; readonly onBytes?: (count: number) => void } = {},
): Promise<FileScan> {
  const { file } = header;
  const stamp = await fileStamp(file);
  const key = createHash("sha256")
    .update(JSON.stringify([file, stamp, header.sha256]))
    .digest("hex");
  const record = path.join(cacheRoot, "scans", `${key.slice(0, 40)}.json`);
  // a damaged record is rebuilt
  const known = scanSchema.safeParse(await readJsonObject(record).catch(() => undefined));
  if (known.success && known.data.file === file && known.data.stamp === stamp && known.data.header === header.sha256) {
    onBytes?.(header.fileSize);
    return known.data;
  }
  const scan = { stamp, ...(await readAll(header, signal, onBytes)) };
  if ((await fileStamp(file)) !== stamp) throw changedWhileRead(file);
  const text = JSON.stringify({ format: 1, file, header: header.sha256, ...scan });
  try {
    await makeDirectory(path.dirname(record));
    await writeAtomically(record, (handle) => writeFully(handle, Buffer.from(text)));
  } catch {
    // Where the cache cannot be written, an F32 checkpoint can still be used; it is only read in full each time.
  }
  return scan;
}

/** The error for a file that was written to under our eyes. */
export function changedWhileRead(file: string): CheckpointError {
  return new CheckpointError(`${file}: changed while it was being read; try again when nothing writes to it`);
}

async function readAll(
  header: SafetensorsHeader,
  signal: AbortSignal | undefined,
  onBytes: ((count: number) => void) | undefined,
): Promise<Pick<FileScan, "sha256" | "nonFinite">> {
  const hash = createHash("sha256");
  const nonFinite: FileScan["nonFinite"][number][] = [];
  const head = { name: undefined, dtype: "U8", byteOffset: 0, byteLength: header.dataOffset } as const;
  let spoilt: string | undefined;
  for await (const { part, partOffset, bytes } of readPieces(header.file, [head, ...header.tensors.values()], signal)) {
    hash.update(bytes);
    onBytes?.(bytes.length);
    const { name, dtype } = part;
    if (name === undefined || name === spoilt || !isWeightDtype(dtype)) continue;
    const bits = bitsOf(dtype, bytes);
    const found = firstNonFinite(dtype, bits);
    if (found < 0) continue;
    spoilt = name;
    nonFinite.push({
      tensor: name,
      index: partOffset / WEIGHT_BYTES[dtype] + found,
      value: describeNonFinite(dtype, bits[found]!),
    });
  }
  return { sha256: hash.digest("hex"), nonFinite };
}
