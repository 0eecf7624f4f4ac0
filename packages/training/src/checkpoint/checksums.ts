// SHA-256 of what a model directory holds, so that a damaged file is refused instead of giving other recommendations.
import { createHash } from "node:crypto";
import type { TensorData } from "@cllm4rec/backbone";

/** SHA-256 (hex) of a text's UTF-8 bytes: that of the file. */
export function textChecksum(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/**
 * SHA-256 (hex) of tensors by name and of the texts that belong to them: every bit that decides what a safetensors file
 * means. Unlike the hash of the file, it can be kept inside of it.
 */
export function tensorsChecksum(tensors: Readonly<Record<string, TensorData>>, texts: readonly string[] = []): string {
  const digest = createHash("sha256").update(JSON.stringify(texts));
  for (const name of Object.keys(tensors).sort()) {
    const { shape, data } = tensors[name]!;
    digest.update(JSON.stringify([name, data.constructor.name, shape]));
    digest.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return digest.digest("hex");
}
