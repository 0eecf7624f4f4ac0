// Raw ids of one kind to rows of the tables and back.
import { distance } from "fastest-levenshtein";
import { UnknownIdError } from "./error.js";

/** So many ids are compared with an unknown one: enough for a typing error to be found, and quick for any caller. */
const COMPARED = 100_000;
const SUGGESTED = 3;

/** The ids of users or items: `ids[row]`. */
export class IdTable {
  #rows: ReadonlyMap<string, number> | undefined;

  constructor(
    readonly kind: "user" | "item",
    readonly ids: readonly string[],
  ) {}

  has(id: string): boolean {
    return this.#map().has(id);
  }

  /** @throws UnknownIdError with the nearest known ids */
  row(id: string): number {
    const row = this.#map().get(id);
    if (row !== undefined) return row;
    throw new UnknownIdError(this.kind, String(id), nearest(String(id), this.ids), this.ids);
  }

  #map(): ReadonlyMap<string, number> {
    this.#rows ??= new Map(this.ids.map((id, row) => [id, row]));
    return this.#rows;
  }
}

/**
 * Items by raw id as they are now: those of training but the removed ones, and those that were added. Rows: of training
 * 0 … J − 1, of added ones from J on.
 */
export class LiveItems {
  readonly #added: ReadonlyMap<string, number>;
  #ids: readonly string[] | undefined;
  #rows: Int32Array | undefined;

  constructor(
    private readonly trained: IdTable,
    private readonly added: readonly string[] = [],
    private readonly removed: ReadonlySet<string> = new Set(),
  ) {
    this.#added = new Map(added.map((id, a) => [id, trained.ids.length + a]));
  }

  /** The ids, those of training first. */
  get ids(): readonly string[] {
    if (this.isTraining) return this.trained.ids;
    this.#ids ??= [...this.trained.ids.filter((id) => !this.removed.has(id)), ...this.added];
    return this.#ids;
  }

  /** The row of each of {@link ids}; `undefined` where these are the rows in their order. */
  get rows(): Int32Array | undefined {
    if (this.removed.size === 0) return undefined;
    this.#rows ??= Int32Array.from(this.ids, (id) => this.row(id));
    return this.#rows;
  }

  /** Rows of the items of training that were removed. */
  get removedRows(): number[] {
    return Array.from(this.removed, (id) => this.trained.row(id));
  }

  /** Whether nothing was added or removed. */
  get isTraining(): boolean {
    return this.added.length === 0 && this.removed.size === 0;
  }

  has(id: string): boolean {
    return this.#added.has(id) || (this.trained.has(id) && !this.removed.has(id));
  }

  /** @throws UnknownIdError with the nearest known ids */
  row(id: string): number {
    const row = this.#added.get(id);
    if (row !== undefined) return row;
    if (this.trained.has(id) && !this.removed.has(id)) return this.trained.row(id);
    throw new UnknownIdError("item", String(id), nearest(String(id), this.ids), this.ids);
  }

  /** As {@link row}; an item of training that was removed is still known in histories. @throws UnknownIdError */
  knownRow(id: string): number {
    return this.trained.has(id) && !this.#added.has(id) ? this.trained.row(id) : this.row(id);
  }

  /** The id of any row. */
  idOf(row: number): string {
    const { ids } = this.trained;
    return ids[row] ?? this.added[row - ids.length]!;
  }

  /**
   * A history of rows of training, each once, where an item that was removed and added again has the row of the added
   * one.
   */
  current(rows: Int32Array): Int32Array {
    if (this.isTraining) return rows;
    return Int32Array.from(new Set(Array.from(rows, (row) => this.#added.get(this.idOf(row)) ?? row)));
  }
}

/** Up to three ids by edit distance (Levenshtein), none further away than a third of the characters. */
function nearest(id: string, ids: readonly string[]): string[] {
  const limit = Math.max(1, Math.floor(id.length / 3));
  return ids
    .slice(0, COMPARED)
    .filter((known) => Math.abs(known.length - id.length) <= limit)
    .map((known) => ({ known, apart: distance(id, known) }))
    .filter(({ apart }) => apart <= limit)
    .sort((a, b) => a.apart - b.apart)
    .slice(0, SUGGESTED)
    .map(({ known }) => known);
}
