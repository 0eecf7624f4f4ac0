// The hub's cache folder on disk, laid out as Python's huggingface_hub does it, so that both share downloads.
// models--org--name/{refs/<revision> → commit, blobs/<hash>, snapshots/<commit>/<file> → link to its blob}.
import { createHash, type Hash, randomBytes } from "node:crypto";
import fs from "node:fs/promises";
import { homedir, hostname } from "node:os";
import path from "node:path";
import { writeAtomically, writeFully } from "./atomic-file.js";
import { CheckpointError, errorCode, reasonOf } from "./errors.js";
import { isJsonObject, readJsonObject } from "./json.js";
import { makeDirectory } from "./make-directory.js";

/**
 * The cache that huggingface_hub uses: `$HF_HUB_CACHE`, `$HF_HOME/hub`, or `huggingface/hub` under `$XDG_CACHE_HOME` or
 * `~/.cache`.
 */
export function hubCacheDirectory(chosen?: string): string {
  const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME } = process.env;
  const home = HF_HOME ?? path.join(XDG_CACHE_HOME ?? path.join(homedir(), ".cache"), "huggingface");
  return path.resolve(chosen ?? HF_HUB_CACHE ?? HUGGINGFACE_HUB_CACHE ?? path.join(home, "hub"));
}

/**
 * A file's identity on the hub: the SHA-256 of its content where it is in large-file storage, else git's SHA-1 of the
 * blob.
 */
export interface BlobId {
  readonly algorithm: "sha256" | "git-sha1";
  readonly hex: string;
  readonly size: number;
}

/** A hash that `BlobId.hex` can be compared with. */
export function blobHash(id: BlobId): Hash {
  return id.algorithm === "sha256" ? createHash("sha256") : createHash("sha1").update(`blob ${id.size}\0`);
}

/** The folder of one model inside a hub cache. */
export class ModelCache {
  readonly folder: string;
  readonly #blobs: string;

  constructor(cacheDirectory: string, id: string) {
    this.folder = path.join(cacheDirectory, ["models", ...id.split("/")].join("--"));
    this.#blobs = path.join(this.folder, "blobs");
  }

  snapshot(commit: string): string {
    return path.join(this.folder, "snapshots", commit);
  }

  /** The commit that `revision` pointed to when it was last downloaded. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return revision;
    try {
      const commit = (await fs.readFile(path.join(this.folder, "refs", revision), "utf8")).trim();
      return isCommit(commit) ? commit : undefined;
    } catch {
      return undefined;
    }
  }

  async setRef(revision: string, commit: string): Promise<void> {
    if (isCommit(revision) || (await this.commitOf(revision)) === commit) return;
    const file = path.join(this.folder, "refs", revision);
    await makeDirectory(path.dirname(file));
    await writeAtomically(file, (handle) => writeFully(handle, Buffer.from(commit)));
  }

  /** Whether the snapshot has `name` with this size, linking it to a blob that is already there if need be. */
  async has(commit: string, name: string, id: BlobId): Promise<boolean> {
    if ((await sizeOf(path.join(this.snapshot(commit), name))) === id.size) return true;
    if ((await sizeOf(path.join(this.#blobs, id.hex))) !== id.size) return false;
    await this.link(commit, name, id);
    return true;
  }

  /** Makes `snapshots/<commit>/<name>` lead to the blob, in one step. */
  async link(commit: string, name: string, id: BlobId): Promise<void> {
    const pointer = path.join(this.snapshot(commit), name);
    const blob = path.join(this.#blobs, id.hex);
    await makeDirectory(path.dirname(pointer));
    const temporary = `${pointer}.${process.pid}-${randomBytes(4).toString("hex")}.tmp`;
    try {
      await fs.symlink(path.relative(path.dirname(pointer), blob), temporary);
    } catch {
      // Windows without the right to make symlinks
      await fs.link(blob, temporary).catch(() => fs.copyFile(blob, temporary));
    }
    await fs.rename(temporary, pointer);
  }

  /**
   * A file of our own to download the blob into, holding what an interrupted download of it left behind, if anything.
   * Such a left-over is taken by renaming it, so that two processes never write to one file.
   */
  async partial(id: BlobId): Promise<string> {
    await makeDirectory(this.#blobs);
    const prefix = `${id.hex}.cllm4rec-`;
    const host = hostname().replaceAll(/[^\w]/g, "_");
    const own = path.join(this.#blobs, `${prefix}${host}-${process.pid}-${randomBytes(4).toString("hex")}.incomplete`);
    for (const name of await fs.readdir(this.#blobs)) {
      if (!name.startsWith(prefix) || !name.endsWith(".incomplete")) continue;
      const owner = new RegExp(`^${host}-(\\d+)-`).exec(name.slice(prefix.length))?.[1];
      const file = path.join(this.#blobs, name);
      if (name !== `${prefix}${PARKED}` && !(await isOrphan(file, owner))) continue;
      try {
        await fs.rename(file, own);
        return own;
      } catch {
        // Somebody else has just taken it.
      }
    }
    return own;
  }

  /** Keeps what was downloaded so far for the next attempt. */
  async park(partial: string, id: BlobId): Promise<void> {
    if ((await sizeOf(partial)) === 0) await fs.rm(partial, { force: true });
    else await fs.rename(partial, path.join(this.#blobs, `${id.hex}.cllm4rec-${PARKED}`)).catch(() => undefined);
  }

  /** Publishes a complete, checked download. */
  async complete(partial: string, id: BlobId): Promise<void> {
    await fs.rename(partial, path.join(this.#blobs, id.hex));
  }

  /** What a snapshot lacks to be opened, or `undefined` when it is complete: config.json and all weights. */
  async missing(commit: string): Promise<string | undefined> {
    const folder = this.snapshot(commit);
    const lacks = async (name: string): Promise<boolean> => (await sizeOf(path.join(folder, name))) === undefined;
    if (await lacks("config.json")) return "config.json";
    if (!(await lacks("model.safetensors"))) return undefined;
    let shards: string[];
    try {
      shards = shardNames(await readJsonObject(path.join(folder, "model.safetensors.index.json"), 64 * 1024 * 1024));
    } catch (error) {
      return reasonOf(error);
    }
    if (shards.length === 0) return "model.safetensors";
    for (const shard of shards) if (await lacks(shard)) return shard;
    return undefined;
  }
}

const PARKED = "parked.incomplete";

/** The file names in a shard index; what is not a string is left to `openCheckpoint` to complain about. */
export function shardNames(index: unknown): string[] {
  const map = isJsonObject(index) ? index.weight_map : undefined;
  if (!isJsonObject(map)) return [];
  return [...new Set(Object.values(map).filter((name) => typeof name === "string"))].sort();
}

/** Whether `revision` is a full commit hash and so never changes its meaning. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await fs.stat(file)).size;
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ELOOP"].includes(errorCode(error) ?? "")) return undefined;
    throw new CheckpointError(`${file}: cannot be read: ${reasonOf(error)}`);
  }
}

/** Whether the process that wrote a partial file is gone (same machine), or has not written to it for ten minutes. */
async function isOrphan(file: string, owner: string | undefined): Promise<boolean> {
  try {
    if (Date.now() - (await fs.stat(file)).mtimeMs > 10 * 60 * 1000) return true;
    if (owner === undefined || Number(owner) === process.pid) return false;
    process.kill(Number(owner), 0); // signal 0 only asks whether it is there
    return false;
  } catch (error) {
    return errorCode(error) === "ESRCH";
  }
}
