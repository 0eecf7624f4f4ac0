// One NumPy array from the bytes of a .npy file: integers, floats and byte strings, in C order.
// Format: numpy.lib.format, versions 1.0 to 3.0. Every length is checked against the bytes at hand before anything is
// allocated.

export interface NpyArray {
  /** As NumPy writes it, for example "<i4", "|S3". */
  readonly descr: string;
  readonly shape: readonly number[];
  /** Elements in C order; a byte string is one value. */
  readonly values: Int8Array | Uint8Array | Int32Array | Float32Array | Float64Array | BigInt64Array | string[];
}

const MAGIC = "\u0093NUMPY";

/** @throws Error saying what is wrong with the bytes. */
export function parseNpy(bytes: Uint8Array): NpyArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const latin1 = new TextDecoder("latin1");
  if (bytes.length < 10 || latin1.decode(bytes.subarray(1, 6)) !== MAGIC.slice(1) || bytes[0] !== 0x93) {
    throw new Error("it is not a .npy file (wrong first bytes)");
  }
  const major = bytes[6]!;
  if (major < 1 || major > 3) throw new Error(`.npy version ${major} is not known (1 to 3 are)`);
  const lengthBytes = major === 1 ? 2 : 4;
  const headerStart = 8 + lengthBytes;
  if (bytes.length < headerStart) throw new Error("it ends inside its header");
  const headerLength = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const dataStart = headerStart + headerLength;
  if (dataStart > bytes.length)
    throw new Error(`its header of ${headerLength} bytes does not fit into ${bytes.length}`);
  const header = latin1.decode(bytes.subarray(headerStart, dataStart));
  const descr = /'descr':\s*'([^']{1,16})'/.exec(header)?.[1];
  const order = /'fortran_order':\s*(True|False)/.exec(header)?.[1];
  const dimensions = /'shape':\s*\(([\d, ]*)\)/.exec(header)?.[1];
  if (descr === undefined || order === undefined || dimensions === undefined) {
    throw new Error(`its header is not understood: ${JSON.stringify(header.slice(0, 80))}`);
  }
  const shape = dimensions.split(",").flatMap((part) => (part.trim() === "" ? [] : [Number(part)]));
  if (order === "True" && shape.length > 1) throw new Error("it is in Fortran order, C order is expected");
  const count = shape.reduce((product, size) => product * size, 1);
  const width = Number(/^[<|=][bifuS](\d{1,4})$/.exec(descr)?.[1] ?? Number.NaN);
  if (Number.isNaN(width)) throw new Error(`its type ${JSON.stringify(descr)} is not supported`);
  const available = bytes.length - dataStart;
  if (!Number.isSafeInteger(count) || count * width !== available) {
    throw new Error(`shape (${shape.join(", ")}) of ${descr} takes ${count * width} bytes, ${available} are there`);
  }
  // A copy, because typed arrays need an aligned start.
  const data = bytes.slice(dataStart);
  return { descr, shape, values: typed(descr.slice(1), width, count, data) };
}

function typed(kind: string, width: number, count: number, data: Uint8Array): NpyArray["values"] {
  switch (kind) {
    case "b1":
    case "u1":
      return data;
    case "i1":
      return new Int8Array(data.buffer);
    case "i4":
      return new Int32Array(data.buffer);
    case "i8":
      return new BigInt64Array(data.buffer);
    case "f4":
      return new Float32Array(data.buffer);
    case "f8":
      return new Float64Array(data.buffer);
  }
  if (kind.startsWith("S")) {
    const latin1 = new TextDecoder("latin1");
    return Array.from({ length: count }, (_, k) =>
      latin1.decode(data.subarray(k * width, (k + 1) * width)).replace(/\0+$/, ""),
    );
  }
  throw new Error(`its type ${JSON.stringify(kind)} is not supported`);
}
