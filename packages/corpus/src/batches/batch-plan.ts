// Which documents make a batch, and in which order: a pure function of (seed, epoch, step), so that a run resumes at
// any step without replaying earlier ones. The order is cut into windows; only one window of indices is held at a time.
import { createHash } from "node:crypto";
import { checkMoment } from "../documents/checks.js";
import { CounterRandom, STREAM } from "../documents/random.js";
import type { DocumentSource, Moment } from "../documents/types.js";
import { CorpusUsageError } from "../errors.js";
import { documentOrder } from "./permutation.js";

/** The batch to compute next, as plain JSON: all that has to be saved to resume to the same bits. */
export interface BatchState extends Moment {
  /** From 0 to the number of steps in the epoch. */
  readonly step: number;
}

/** The documents of one step. */
export interface DocumentBatch<D> {
  /** This batch's own place. */
  readonly state: BatchState;
  /** Save this after the step is done. */
  readonly next: BatchState;
  /** The documents' indices in their source. */
  readonly indices: Int32Array;
  readonly documents: readonly D[];
}

/**
 * A fixed number of documents in a batch; the last of an epoch is smaller unless it is dropped (other documents in each
 * epoch).
 */
export interface DocumentCount {
  readonly documents: number;
  readonly dropLast?: boolean;
}

/**
 * As many documents as fit: their lengths sum up to at most `tokens`, or, with `padded`, the longest length times their
 * number does. The last batch of each window is filled as far as its documents go.
 */
export interface TokenBudget {
  readonly tokens: number;
  readonly padded?: boolean;
}

/** How batches are made. */
export interface BatchOptions {
  readonly size: DocumentCount | TokenBudget;
  /** Default `"shuffled"`; `"sequential"` takes the documents by index, e.g. for evaluation. */
  readonly order?: "shuffled" | "sequential";
  /**
   * Default false. True puts documents of like length together, for models that pad: each window is sorted by length,
   * cut into batches, and the batches shuffled. Models that pack sequences into rows do better with false: batches are
   * then random samples.
   */
  readonly bucket?: boolean;
  /** Documents in a window, default 8192. Rounded up to whole batches for a fixed number of documents. */
  readonly window?: number;
}

interface Window {
  readonly indices: Int32Array;
  /** [batches + 1] where each batch starts in `indices`. */
  readonly starts: Int32Array;
  /** The order of the batches. */
  readonly batches: Int32Array;
}

/** Throws unless `value` is a positive integer. */
function checkCount(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new CorpusUsageError(`${name} is ${value}; it has to be a positive integer`);
  }
}

/**
 * The batches of a source. Random access by step; nothing is remembered between calls that could change a result.
 *
 * @example
 * const plan = new BatchPlan(source, { size: { tokens: 8192 } });
 * for (const batch of plan.batches({ seed: 0, epoch: 0, step: 0 })) {
 *   train(batch.documents);
 *   save(batch.next); // JSON; pass it to plan.batches() to resume
 * }
 */
export class BatchPlan<D> {
  readonly source: DocumentSource<D>;
  /** SHA-256 (hex) of the source's identity and of all that decides the batches: compare it before resuming. */
  readonly identity: string;
  readonly #size: DocumentCount | TokenBudget;
  readonly #shuffled: boolean;
  readonly #bucket: boolean;
  readonly #window: number;
  /** Documents in an epoch, fewer than the source has if a last, smaller batch is dropped. */
  readonly #used: number;
  // What was computed last, for the next call.
  #place: ((place: number) => number) | undefined;
  #offsets: Int32Array | undefined; // [windows + 1] the first step of each window
  #orderOf = "";
  #current: Window | undefined;
  #currentOf = "";

  /**
   * @throws {@link CorpusUsageError} for an empty source, sizes below 1, or a budget below the longest possible
   *   document.
   */
  constructor(source: DocumentSource<D>, { size, order = "shuffled", bucket = false, window = 8192 }: BatchOptions) {
    if (source.length === 0) throw new CorpusUsageError("the source has no documents to make batches of");
    checkCount("window", window);
    this.source = source;
    this.#size = size;
    this.#shuffled = order === "shuffled";
    this.#bucket = bucket;
    if ("documents" in size) {
      checkCount("documents", size.documents);
      this.#window = Math.ceil(window / size.documents) * size.documents;
      this.#used = size.dropLast ? source.length - (source.length % size.documents) : source.length;
      if (this.#used === 0) {
        throw new CorpusUsageError(
          `batches of ${size.documents} documents with dropLast leave nothing of ${source.length} documents; ask ` +
            "for smaller batches",
        );
      }
    } else {
      checkCount("tokens", size.tokens);
      if (source.maxLength > size.tokens) {
        throw new CorpusUsageError(
          `a document may have ${source.maxLength} positions, more than a batch of ${size.tokens} tokens takes; ` +
            "raise tokens or lower maxLength",
        );
      }
      this.#window = window;
      this.#used = source.length;
    }
    this.identity = createHash("sha256")
      .update(JSON.stringify([source.identity, source.length, size, order, bucket, this.#window]))
      .digest("hex");
  }

  /**
   * Number of batches in an epoch. With a token budget this reads every document's length once an epoch (and remembers
   * the last).
   */
  steps(moment: Moment): number {
    checkMoment(moment);
    if ("documents" in this.#size) return Math.ceil(this.#used / this.#size.documents);
    return this.#windowOffsets(moment).at(-1)!;
  }

  /** The batch at a step. A step just past the epoch's last is the next epoch's first. */
  batch({ seed, epoch, step }: BatchState): DocumentBatch<D> {
    const steps = this.steps({ seed, epoch });
    if (!Number.isInteger(step) || step < 0 || step > steps) {
      throw new CorpusUsageError(`step is ${step}; epoch ${epoch} has ${steps} steps, numbered from 0`);
    }
    if (step === steps) return this.batch({ seed, epoch: epoch + 1, step: 0 });
    const moment = { seed, epoch };
    const [number, within] = this.#locate(step, moment);
    const { indices, starts, batches } = this.#windowAt(number, moment);
    const which = batches[within]!;
    const members = indices.slice(starts[which]!, starts[which + 1]!);
    const documents = Array.from(members, (index) => this.source.document(index, moment));
    const next = step + 1 === steps ? { seed, epoch: epoch + 1, step: 0 } : { seed, epoch, step: step + 1 };
    return { state: { seed, epoch, step }, next, indices: members, documents };
  }

  /** The batches from a state up to the end of its epoch, or up to the start of the epoch `until`. */
  *batches(from: BatchState, until: number = from.epoch + 1): Generator<DocumentBatch<D>, void, undefined> {
    for (let state = from; state.epoch < until; ) {
      if (state.step === this.steps(state)) {
        state = { seed: state.seed, epoch: state.epoch + 1, step: 0 };
        continue;
      }
      const batch = this.batch(state);
      yield batch;
      state = batch.next;
    }
  }

  /** The window that holds a step, and the step's number in it. */
  #locate(step: number, moment: Moment): readonly [number, number] {
    if ("documents" in this.#size) {
      const perWindow = this.#window / this.#size.documents;
      return [Math.floor(step / perWindow), step % perWindow];
    }
    const offsets = this.#windowOffsets(moment);
    let low = 0;
    for (let high = offsets.length - 1; high - low > 1; ) {
      const middle = (low + high) >>> 1;
      if (offsets[middle]! <= step) low = middle;
      else high = middle;
    }
    return [low, step - offsets[low]!];
  }

  #prepare(moment: Moment): void {
    const of = `${moment.seed}/${moment.epoch}`;
    if (this.#orderOf === of) return;
    this.#place = this.#shuffled ? documentOrder(this.source.length, moment) : (place) => place;
    this.#offsets = undefined;
    this.#current = undefined;
    this.#currentOf = "";
    this.#orderOf = of;
  }

  #windowOffsets(moment: Moment): Int32Array {
    this.#prepare(moment);
    if (!this.#offsets) {
      const windows = Math.ceil(this.#used / this.#window);
      const offsets = new Int32Array(windows + 1);
      for (let w = 0; w < windows; w++) offsets[w + 1] = offsets[w]! + this.#cut(w, moment).starts.length - 1;
      this.#offsets = offsets;
    }
    return this.#offsets;
  }

  #windowAt(number: number, moment: Moment): Window {
    this.#prepare(moment);
    const of = `${this.#orderOf}/${number}`;
    if (this.#current === undefined || this.#currentOf !== of) {
      const { indices, starts } = this.#cut(number, moment);
      const batches = Int32Array.from({ length: starts.length - 1 }, (_, b) => b);
      if (this.#bucket && this.#shuffled) {
        new CounterRandom().start(moment, STREAM.batchOrder, number).shuffle(batches, batches.length);
      }
      this.#current = { indices, starts, batches };
      this.#currentOf = of;
    }
    return this.#current;
  }

  /** Takes a window's documents, sorts them if asked, and cuts them into batches. */
  #cut(number: number, moment: Moment): { indices: Int32Array; starts: Int32Array } {
    const { source } = this;
    const place = this.#place!;
    const first = number * this.#window;
    const count = Math.min(this.#window, this.#used - first);
    let indices = Int32Array.from({ length: count }, (_, k) => place(first + k));
    if ("documents" in this.#size && !this.#bucket)
      return { indices, starts: this.#cutByCount(count, this.#size.documents) };
    let lengths = Int32Array.from(indices, (index) => source.lengthAt(index, moment));
    if (this.#bucket) {
      // Longest first, equal lengths in their shuffled order; the one short batch is then of the shortest documents.
      const rank = Int32Array.from({ length: count }, (_, k) => k).sort((a, b) => lengths[b]! - lengths[a]! || a - b);
      indices = rank.map((k) => indices[k]!);
      lengths = rank.map((k) => lengths[k]!);
    }
    if ("documents" in this.#size) return { indices, starts: this.#cutByCount(count, this.#size.documents) };
    const { tokens, padded = false } = this.#size;
    const starts = [0];
    let sum = 0;
    let longest = 0;
    for (let k = 0; k < count; k++) {
      const length = lengths[k]!;
      longest = Math.max(longest, length);
      sum += length;
      if ((padded ? longest * (k + 1 - starts.at(-1)!) : sum) > tokens) {
        starts.push(k);
        longest = sum = length;
      }
    }
    starts.push(count);
    return { indices, starts: Int32Array.from(starts) };
  }

  #cutByCount(count: number, size: number): Int32Array {
    return Int32Array.from({ length: Math.ceil(count / size) + 1 }, (_, b) => Math.min(b * size, count));
  }
}
