// SHA-256 of files, streamed.
import { createHash } from "node:crypto";
import fs from "node:fs";

/** The SHA-256 of a file in lower-case hexadecimal. */
export async function sha256File(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const block of fs.createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(block);
  return hash.digest("hex");
}
