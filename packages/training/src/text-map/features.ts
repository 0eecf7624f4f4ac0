// What tells the text features of one run from those of another.
import { createHash } from "node:crypto";
import type { SparseFeatures } from "@cllm4rec/corpus";

/** SHA-256 (hex) of a matrix: what tells the features of a run from others. */
export function hashFeatures({ rows, columns, indptr, indices, values }: SparseFeatures): string {
  const digest = createHash("sha256").update(`${rows} ${columns}`);
  for (const { buffer, byteOffset, byteLength } of [indptr, indices, values])
    digest.update(new Uint8Array(buffer, byteOffset, byteLength));
  return digest.digest("hex");
}
