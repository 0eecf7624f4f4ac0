// From a model's name on the Hugging Face Hub to a local directory, through the official client and the cache shared
// with Python. Fetches only what a checkpoint and its tokenizer need; resumes, verifies every file's hash, and bounds
// requests and waiting.
import { createReadStream } from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";
import { downloadFile, type ListFileEntry, listFiles, modelInfo } from "@huggingface/hub";
import { writeFully } from "./atomic-file.js";
import { CheckpointError, errorCode, reasonOf, shown } from "./errors.js";
import { type BlobId, blobHash, hubCacheDirectory, isCommit, ModelCache, shardNames } from "./hub-cache.js";
import { type ClientRequest, RequestFailure, type Trace, withRetries } from "./hub-request.js";
import { readJsonObject } from "./json.js";

/** How far a download has come. Files that are already in the cache count as done. */
export interface HubProgress {
  /** The file being downloaded. */
  readonly file: string;
  /** Bytes of all needed files together. Shards join the total once the index is there. */
  readonly done: number;
  readonly total: number;
}

/** Options of {@link resolveModel}. */
export interface ResolveOptions {
  /** Use the cache only and make no request. Default: whether the environment has `HF_HUB_OFFLINE=1`. */
  readonly offline?: boolean;
  /** The hub's cache; default as in Python: `$HF_HUB_CACHE`, `$HF_HOME/hub`, `~/.cache/huggingface/hub`. */
  readonly hubCacheDirectory?: string;
  /** Another hub, or a mirror. Default: `$HF_ENDPOINT`, or the public hub. */
  readonly hubUrl?: string;
  /** For gated and private models. Default: `$HF_TOKEN`. Sent to the hub only. */
  readonly accessToken?: string;
  readonly onProgress?: (progress: HubProgress) => void;
  readonly signal?: AbortSignal;
  /** How often one request is made before giving up on network and server errors. Default 4. */
  readonly attempts?: number;
  /** Milliseconds without any data after which a request counts as failed. Default 60,000. */
  readonly stallTimeout?: number;
  /** Milliseconds before the second attempt; doubled for each further one. Default 500. */
  readonly retryDelay?: number;
}

/** Where a model is on this machine. */
export interface ResolvedModel {
  /** Absolute path of a folder for `openCheckpoint`. */
  readonly directory: string;
  /** `org/name` and the commit, for a model from the hub. */
  readonly hub?: { readonly id: string; readonly commit: string };
}

const SMALL_FILES =
  /^(?:(?:config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab)\.json|merges\.txt|(?:spiece|tokenizer)\.model)$/;
const SINGLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";
const ID = /^[A-Za-z0-9][\w.-]*(?:\/[A-Za-z0-9][\w.-]*)?$/;
/** Pages of a file listing that are followed, at up to 1,000 entries each. */
const MAX_PAGES = 20;

/**
 * Finds a model: a local directory is taken as it is, anything else is a hub id, optionally with a branch, tag or
 * commit: `org/name`, `org/name@main`, `gpt2@607a30d…`.
 *
 * Downloads `config.json`, `generation_config.json`, the tokenizer's files and the safetensors weights, each checked
 * against the hash that the hub lists, into the cache that Python's huggingface_hub uses. A download that was
 * interrupted, by an abort or by the end of the process, is continued where it stopped. What is cached is not
 * downloaded again; only the name is looked up (two requests). Files appear in the snapshot folder complete or not at
 * all, and the branch's name moves last.
 *
 * @throws CheckpointError when the directory does not exist; the model or revision is unknown, gated or private; it has
 * no safetensors weights; the hub cannot be reached or keeps failing; a file's content does not have its hash; or,
 * offline, the model is not (completely) in the cache. An abort throws the signal's reason.
 */
export async function resolveModel(model: string, options: ResolveOptions = {}): Promise<ResolvedModel> {
  options.signal?.throwIfAborted();
  const local = await localDirectory(model);
  if (local !== undefined) return { directory: local };
  const at = model.indexOf("@");
  const id = at < 0 ? model : model.slice(0, at);
  const revision = at < 0 ? "main" : model.slice(at + 1);
  if (
    !ID.test(id) ||
    id.includes("..") ||
    id.includes("--") ||
    !/^[\w.][\w./-]*$/.test(revision) ||
    revision.includes("..")
  ) {
    throw new CheckpointError(
      `${shown(model)}: neither a directory on this machine nor a hub id; expected a path, org/name or ` +
        "org/name@revision",
    );
  }
  const cache = new ModelCache(hubCacheDirectory(options.hubCacheDirectory), id);
  if (options.offline ?? /^(?:1|true|yes|on)$/i.test(process.env.HF_HUB_OFFLINE ?? "")) {
    return resolveOffline(id, revision, cache);
  }
  try {
    return await new Download(id, revision, cache, options).run();
  } catch (error) {
    if (!(error instanceof Error && "syscall" in error)) throw error;
    throw new CheckpointError(
      `${model}: the cache ${cache.folder} cannot be written: ${error.message}; make room or choose another with ` +
        "hubCacheDirectory or HF_HUB_CACHE",
    );
  }
}

async function localDirectory(model: string): Promise<string | undefined> {
  if (model === "")
    throw new CheckpointError("the model's name is empty; expected a directory, org/name or org/name@revision");
  const directory = path.resolve(model);
  try {
    if ((await fs.stat(directory)).isDirectory()) return directory;
    throw new CheckpointError(`${directory}: is a file, expected a model directory`);
  } catch (error) {
    if (error instanceof CheckpointError) throw error;
    const likePath =
      model === "" ||
      /^(?:[./~\\]|[A-Za-z]:)/.test(model) ||
      model.includes("\\") ||
      /\/.*\//.test(model.split("@")[0]!);
    if (!likePath && errorCode(error) === "ENOENT") return undefined;
    const reason = errorCode(error) === "ENOENT" ? "no such directory" : reasonOf(error);
    throw new CheckpointError(`${directory}: ${reason}; expected a model directory, or a hub id such as org/name`);
  }
}

async function resolveOffline(id: string, revision: string, cache: ModelCache): Promise<ResolvedModel> {
  const commit = await cache.commitOf(revision);
  const missing = commit === undefined ? `revision ${revision}` : await cache.missing(commit);
  if (commit === undefined || missing !== undefined) {
    throw new CheckpointError(
      `${id}@${revision}: offline, and the cache ${cache.folder} lacks ${missing}. Next: run once online (without ` +
        "offline and HF_HUB_OFFLINE), or put the model's files into a folder and pass its path",
    );
  }
  return { directory: cache.snapshot(commit), hub: { id, commit } };
}

/** A file that is needed. */
interface Needed {
  readonly name: string;
  readonly id: BlobId;
}

/** One call of resolveModel that goes to the hub. */
class Download {
  readonly #id: string;
  readonly #revision: string;
  readonly #cache: ModelCache;
  readonly #options: ResolveOptions;
  readonly #hubUrl: string;
  #done = 0;
  #total = 0;

  constructor(id: string, revision: string, cache: ModelCache, options: ResolveOptions) {
    this.#id = id;
    this.#revision = revision;
    this.#cache = cache;
    this.#options = options;
    this.#hubUrl = (options.hubUrl ?? process.env.HF_ENDPOINT ?? "https://huggingface.co").replace(/\/+$/, "");
  }

  async run(): Promise<ResolvedModel> {
    const commit = await this.#commit();
    const listing = await this.#list(commit);
    const names = [...listing.keys()];
    const weights = listing.has(SINGLE) ? SINGLE : listing.has(INDEX) ? INDEX : undefined;
    if (weights === undefined) throw this.#error(noWeights(names));
    if (!listing.has("config.json")) throw this.#error("has no config.json, so it is not a transformers model");
    await this.#fetchAll(commit, [...names.filter((name) => SMALL_FILES.test(name)), weights], listing);
    if (weights === INDEX) {
      const shards = shardNames(await readJsonObject(path.join(this.#cache.snapshot(commit), INDEX), 64 * 1024 * 1024));
      const absent = shards.find((shard) => !listing.has(shard));
      if (absent !== undefined) throw this.#error(`${INDEX} names ${shown(absent)}, which the model does not have`);
      await this.#fetchAll(commit, shards, listing);
    }
    await this.#cache.setRef(this.#revision, commit);
    return { directory: this.#cache.snapshot(commit), hub: { id: this.#id, commit } };
  }

  #error(what: string): CheckpointError {
    return new CheckpointError(`${this.#id}@${this.#revision}: ${what}`);
  }

  async #commit(): Promise<string> {
    if (isCommit(this.#revision)) return this.#revision;
    const { sha } = await this.#attempt((request) =>
      modelInfo({ ...request, name: this.#id, revision: this.#revision, additionalFields: ["sha"] }),
    );
    // It becomes the name of a folder, so the answer is not to be trusted.
    if (typeof sha !== "string" || !isCommit(sha))
      throw this.#error(`the hub gave the commit ${shown(sha)}, expected 40 hex digits`);
    return sha;
  }

  /** The files in the model's top folder, with hash and size. */
  async #list(commit: string): Promise<Map<string, Needed>> {
    return this.#attempt(async (request) => {
      const listing = new Map<string, Needed>();
      for await (const entry of listFiles({ ...request, repo: { type: "model", name: this.#id }, revision: commit })) {
        const id = entry.type === "file" && isPlainName(entry.path) ? blobId(entry) : undefined;
        if (id) listing.set(entry.path, { name: entry.path, id });
      }
      return listing;
    }, MAX_PAGES);
  }

  async #fetchAll(commit: string, names: readonly string[], listing: ReadonlyMap<string, Needed>): Promise<void> {
    const files = names.flatMap((name) => listing.get(name) ?? []);
    this.#total += files.reduce((sum, file) => sum + file.id.size, 0);
    const missing: Needed[] = [];
    for (const file of files) {
      if (await this.#cache.has(commit, file.name, file.id)) this.#progress(file, file.id.size);
      else missing.push(file);
    }
    for (const file of missing) {
      await this.#fetchFile(commit, file);
      await this.#cache.link(commit, file.name, file.id);
    }
  }

  #progress(file: Needed, bytes: number): void {
    this.#done += bytes;
    this.#options.onProgress?.({ file: file.name, done: this.#done, total: this.#total });
  }

  async #fetchFile(commit: string, file: Needed): Promise<void> {
    const { name, id } = file;
    const partial = await this.#cache.partial(id);
    const before = this.#done;
    let wrong = 0; // downloads that were complete but had other contents
    try {
      await this.#attempt(async (request, trace) => {
        this.#done = before;
        const hash = blobHash(id);
        const handle = await fs.open(partial, "a");
        try {
          let have = (await handle.stat()).size;
          if (have > id.size || trace.rangeIgnored) {
            await handle.truncate(0);
            have = 0;
          }
          if (have > 0) for await (const bytes of createReadStream(partial, { end: have - 1 })) hash.update(bytes);
          this.#progress(file, have);
          if (have < id.size) {
            const blob = await downloadFile({
              ...request,
              repo: { type: "model", name: this.#id },
              path: name,
              revision: commit,
              xet: false, // plain ranges of plain files, which is what can be resumed
            });
            if (!blob) throw this.#error(`${name} is listed, but is not there`);
            if (blob.size !== id.size) throw new Error(`${name} has ${blob.size} bytes, expected ${id.size}`);
            for await (const bytes of blob.slice(have).stream()) {
              trace.alive();
              have += bytes.length;
              if (have > id.size) throw new Error(`${name} is longer than the ${id.size} bytes that the hub lists`);
              hash.update(bytes);
              await writeFully(handle, bytes);
              this.#progress(file, bytes.length);
            }
          }
          if (have < id.size) throw new Error(`${name} ended after ${have} of ${id.size} bytes`);
          const found = hash.digest("hex");
          if (found !== id.hex) {
            await handle.truncate(0);
            const text = `${name} has the ${id.algorithm} ${found}, expected ${id.hex}`;
            if (++wrong < 2) throw new Error(text); // once may be a left-over that does not belong; start from nothing
            throw this.#error(`${text}; the hub or a proxy on the way delivers something else, nothing was kept`);
          }
          await handle.sync();
        } finally {
          await handle.close();
        }
      });
      await this.#cache.complete(partial, id);
    } catch (error) {
      await this.#cache.park(partial, id);
      throw error;
    }
  }

  /** Runs `work` with what every call of the client takes; see `withRetries`. */
  async #attempt<T>(work: (request: ClientRequest, trace: Trace) => Promise<T>, maxRequests = 4): Promise<T> {
    const { accessToken = process.env.HF_TOKEN } = this.#options;
    const settings = { ...this.#options, hubUrl: this.#hubUrl, accessToken, maxRequests };
    try {
      return await withRetries(settings, work);
    } catch (error) {
      throw error instanceof RequestFailure ? this.#hubError(error) : error;
    }
  }

  #hubError({ status, message: reason, attempts }: RequestFailure): CheckpointError {
    const page = `${this.#hubUrl}/${this.#id}`;
    if (status === 401 || status === 403) {
      return this.#error(
        `the hub refused access (${status}: ${reason}): the model is gated or private, or does not exist. Next: ` +
          `check the name, accept the model's terms on ${page}, and pass accessToken or set HF_TOKEN to a token ` +
          "that may read it",
      );
    }
    if (status === 404) return this.#error(`not found on the hub (${reason}); check name and revision on ${page}`);
    const times = attempts > 1 ? `, ${attempts} times` : "";
    return this.#error(
      `download from ${this.#hubUrl} failed${times}: ${reason}. What was downloaded is kept and continued next ` +
        "time; if the model is in the cache already, pass offline: true",
    );
  }
}

function isPlainName(name: string): boolean {
  return /^[\w][\w.-]*$/.test(name);
}

function blobId({ lfs, oid, size }: ListFileEntry): BlobId | undefined {
  if (!Number.isSafeInteger(size) || size < 0) return undefined;
  if (lfs && /^[0-9a-f]{64}$/.test(lfs.oid)) return { algorithm: "sha256", hex: lfs.oid, size };
  return oid !== undefined && /^[0-9a-f]{40}$/.test(oid) ? { algorithm: "git-sha1", hex: oid, size } : undefined;
}

function noWeights(names: readonly string[]): string {
  const pickle = names.find((name) => name.endsWith(".bin"));
  return pickle === undefined
    ? `has no ${SINGLE} and no ${INDEX}; choose a model or revision with safetensors weights`
    : `has its weights only as ${pickle}, a pickle, which can run code when it is read and is not supported; ` +
        "choose a revision with safetensors weights (the hub's conversion bot often offers one, as @refs/pr/N)";
}
