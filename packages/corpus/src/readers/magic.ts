// Files of kinds that are not read, recognised by their first bytes, so that an error can name what they are.

interface Kind {
  readonly name: string;
  readonly magic: string;
  /** The offset of the magic bytes. Default 0. */
  readonly offset?: number;
  readonly advice: string;
}

const UNPACK = "Unpack it first (gzip and zstd are read as they are)";
const CONVERT = "Convert it to Parquet, CSV or JSON lines first";

/** Magic numbers in Latin-1, from the formats' specifications. */
const KINDS: readonly Kind[] = [
  { name: "zip archive", magic: "PK\x03\x04", advice: UNPACK },
  { name: "zip archive", magic: "PK\x05\x06", advice: UNPACK },
  { name: "bzip2 file", magic: "BZh", advice: UNPACK },
  { name: "xz file", magic: "\xfd7zXZ\x00", advice: UNPACK },
  { name: "7z archive", magic: "7z\xbc\xaf\x27\x1c", advice: UNPACK },
  { name: "RAR archive", magic: "Rar!\x1a\x07", advice: UNPACK },
  { name: "lz4 file", magic: "\x04\x22\x4d\x18", advice: UNPACK },
  { name: "compress (.Z) file", magic: "\x1f\x9d", advice: UNPACK },
  { name: "tar archive", magic: "ustar", offset: 257, advice: "Unpack it first and name the files in it" },
  { name: "HDF5 file", magic: "\x89HDF\r\n\x1a\n", advice: CONVERT },
  { name: "Arrow (Feather) file", magic: "ARROW1", advice: CONVERT },
  { name: "ORC file", magic: "ORC", advice: CONVERT },
  { name: "Avro file", magic: "Obj\x01", advice: CONVERT },
  { name: "SQLite database", magic: "SQLite format 3\x00", advice: CONVERT },
  { name: "NumPy array", magic: "\x93NUMPY", advice: CONVERT },
  { name: "PDF document", magic: "%PDF-", advice: CONVERT },
];

/** How many bytes `foreignKind` looks at. */
export const MAGIC_BYTES = 262;

/** What the file is and what to do with it; undefined for anything that may be read. */
export function foreignKind(start: Buffer, name = ""): { readonly name: string; readonly advice: string } | undefined {
  const text = start.subarray(0, MAGIC_BYTES).toString("latin1");
  const kind = KINDS.find(({ magic, offset = 0 }) => text.startsWith(magic, offset));
  if (kind?.name !== "zip archive") return kind;
  if (name.endsWith(".xlsx")) return { name: "Excel workbook", advice: "Save its sheet as CSV first" };
  if (name.endsWith(".npz")) {
    return {
      name: "NumPy archive (.npz)",
      advice: "Name the folder that holds train_matrix.npz and the other matrices",
    };
  }
  return kind;
}
