// A small dataset with two tastes, as matrices of corpus' form.

/** The structure of corpus' Csr. */
interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly indptr: Int32Array;
  readonly indices: Int32Array;
}

/** Rows of items as a matrix. */
export function csr(columns: number, rows: readonly (readonly number[])[]): Matrix {
  const indptr = Int32Array.from([
    0,
    ...rows.map((_, r) => rows.slice(0, r + 1).reduce((sum, row) => sum + row.length, 0)),
  ]);
  return { rows: rows.length, columns, indptr, indices: Int32Array.from(rows.flat()) };
}

/** Even users like the first half of the items, odd ones the second: five training items each, and one to be found. */
export function twoTastes(users: number, items: number): { train: Matrix; validation: Matrix } {
  const half = items / 2;
  const liked = Array.from({ length: users }, (_, user) =>
    Array.from({ length: 6 }, (_, k) => (user % 2) * half + ((user * 5 + k * 3 + Math.floor(user / 7)) % half)),
  ).map((row) => [...new Set(row)]);
  return {
    train: csr(
      items,
      liked.map((row) => row.slice(0, -1).sort((a, b) => a - b)),
    ),
    validation: csr(
      items,
      liked.map((row) => row.slice(-1)),
    ),
  };
}
