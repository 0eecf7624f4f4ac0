// The file format of the token cache: tokenised texts one after another, then an index, all of it covered by SHA-256.
// Written as a stream and read by position, so neither side holds more than a few buffers however large the corpus is.
//
// header  128 bytes: magic[8] byteOrder:u32 bytesPerToken:u32 documents:f64 tokens:f64 emptyTexts:f64 key[32] payload
//         SHA-256[32] check[24] (check: the first 24 bytes of the SHA-256 of the 104 bytes before it)
// tokens  u16 (vocabularies up to 65,536) or u32 each, padded with zero bytes to a multiple of 8
// index   documents + 1 records of 16 bytes: start:f64 (in tokens) user:i32 item:i32; the last record is the end
// Numbers are in the writing machine's byte order; a file from a machine of another order is rebuilt like a damaged
// one.
import { createHash, randomBytes } from "node:crypto";
import fs from "node:fs";
import { partialName } from "../abandoned-files.js";

const HEADER = 128;
const CHECKED = 104;
const MAGIC = "CLLMTOK1";
const BYTE_ORDER = 0x01020304;
const RECORD = 16;
const BUFFER = 1 << 20;
const PAGE_RECORDS = 256;
const PAGES = 4096; // of the index held at most by default: 16 MiB

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest();

/** Writes a token file beside its final place, which it takes only when complete. */
export class TokenFileWriter {
  readonly #file: string;
  readonly #temporary: string;
  readonly #key: Buffer;
  readonly #descriptor: number;
  readonly #indexDescriptor: number;
  readonly #tokenBytes: 2 | 4;
  readonly #tokenBuffer = new ArrayBuffer(BUFFER);
  readonly #tokens: Uint16Array | Uint32Array;
  readonly #index = new DataView(new ArrayBuffer(BUFFER));
  readonly #hash = createHash("sha256");
  #buffered = 0;
  #indexed = 0;
  #size = HEADER;
  #tokenCount = 0;
  #documents = 0;
  #finished = false;

  constructor(file: string, key: string, vocabulary: number) {
    this.#file = file;
    this.#temporary = partialName(file, randomBytes(6).toString("hex"));
    this.#key = Buffer.from(key, "hex");
    this.#tokenBytes = vocabulary <= 0x10000 ? 2 : 4;
    this.#tokens = this.#tokenBytes === 2 ? new Uint16Array(this.#tokenBuffer) : new Uint32Array(this.#tokenBuffer);
    this.#descriptor = fs.openSync(this.#temporary, "wx");
    try {
      this.#indexDescriptor = fs.openSync(`${this.#temporary}.index`, "wx+");
    } catch (error) {
      fs.closeSync(this.#descriptor);
      fs.rmSync(this.#temporary, { force: true });
      throw error;
    }
  }

  get documents(): number {
    return this.#documents;
  }

  get tokens(): number {
    return this.#tokenCount;
  }

  /** Appends one tokenised text. */
  add(user: number, item: number, ids: readonly number[]): void {
    this.#addRecord(user, item);
    this.#documents++;
    for (const id of ids) {
      this.#tokens[this.#buffered++] = id;
      if (this.#buffered === this.#tokens.length) this.#flushTokens();
    }
    this.#tokenCount += ids.length;
  }

  #addRecord(user: number, item: number): void {
    if (this.#indexed === BUFFER) this.#flushIndex();
    const at = this.#indexed;
    this.#indexed += RECORD;
    const little = littleEndian;
    this.#index.setFloat64(at, this.#tokenCount, little);
    this.#index.setInt32(at + 8, user, little);
    this.#index.setInt32(at + 12, item, little);
  }

  #append(bytes: Uint8Array): void {
    writeFully(this.#descriptor, bytes, this.#size);
    this.#hash.update(bytes);
    this.#size += bytes.length;
  }

  #flushTokens(): void {
    this.#append(new Uint8Array(this.#tokenBuffer, 0, this.#buffered * this.#tokenBytes));
    this.#buffered = 0;
  }

  #flushIndex(): void {
    writeFully(this.#indexDescriptor, new Uint8Array(this.#index.buffer, 0, this.#indexed), null);
    this.#indexed = 0;
  }

  /**
   * Completes the file, flushes it to the disk and gives it its name. Another writer's file of the same name is
   * replaced by its equal.
   */
  finish(emptyTexts: number): void {
    this.#flushTokens();
    this.#append(new Uint8Array((8 - (this.#size % 8)) % 8));
    this.#addRecord(-1, -1);
    this.#flushIndex();
    const block = Buffer.alloc(BUFFER);
    for (let at = 0; ; ) {
      const read = fs.readSync(this.#indexDescriptor, block, 0, BUFFER, at);
      if (read === 0) break;
      this.#append(block.subarray(0, read));
      at += read;
    }
    const header = Buffer.alloc(HEADER);
    const view = new DataView(header.buffer, header.byteOffset, HEADER);
    header.write(MAGIC, "latin1");
    view.setUint32(8, BYTE_ORDER, littleEndian);
    view.setUint32(12, this.#tokenBytes, littleEndian);
    view.setFloat64(16, this.#documents, littleEndian);
    view.setFloat64(24, this.#tokenCount, littleEndian);
    view.setFloat64(32, emptyTexts, littleEndian);
    this.#key.copy(header, 40);
    this.#hash.digest().copy(header, 72);
    sha256(header.subarray(0, CHECKED)).copy(header, CHECKED, 0, HEADER - CHECKED);
    writeFully(this.#descriptor, header, 0);
    fs.fsyncSync(this.#descriptor);
    this.#close();
    try {
      fs.renameSync(this.#temporary, this.#file);
    } catch (error) {
      // Windows refuses while another process has its equal file open; whoever opens the file next verifies it.
      if (process.platform !== "win32" || !fs.existsSync(this.#file)) throw error;
    }
  }

  /** Removes what was written; harmless after `finish`. */
  abandon(): void {
    this.#close();
    fs.rmSync(this.#temporary, { force: true });
  }

  #close(): void {
    if (this.#finished) return;
    this.#finished = true;
    fs.closeSync(this.#descriptor);
    fs.closeSync(this.#indexDescriptor);
    fs.rmSync(`${this.#temporary}.index`, { force: true });
  }
}

const littleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

function writeFully(descriptor: number, bytes: Uint8Array, position: number | null): void {
  for (let done = 0; done < bytes.length; ) {
    done += fs.writeSync(descriptor, bytes, done, bytes.length - done, position === null ? null : position + done);
  }
}

/** A checked token file, read by position. Holds at most 16 MiB of the index and no tokens. */
export class TokenFileReader {
  readonly file: string;
  readonly documents: number;
  readonly tokens: number;
  readonly emptyTexts: number;
  readonly #tokenBytes: number;
  readonly #indexAt: number;
  #descriptor: number | undefined;
  // The index in pages, each with the record that follows it; page p may only lie in slot p mod slots.
  readonly #slots: number;
  readonly #slotPage: Int32Array;
  readonly #pages: DataView;
  #bytes = Buffer.alloc(1 << 12);

  private constructor(file: string, descriptor: number, header: DataView, pages: number) {
    this.file = file;
    this.#descriptor = descriptor;
    this.#tokenBytes = header.getUint32(12, littleEndian);
    this.documents = header.getFloat64(16, littleEndian);
    this.tokens = header.getFloat64(24, littleEndian);
    this.emptyTexts = header.getFloat64(32, littleEndian);
    this.#indexAt = indexOffset(this.tokens, this.#tokenBytes);
    this.#slots = Math.max(1, Math.min(pages, Math.ceil(this.documents / PAGE_RECORDS)));
    this.#slotPage = new Int32Array(this.#slots).fill(-1);
    this.#pages = new DataView(new ArrayBuffer(this.#slots * (PAGE_RECORDS + 1) * RECORD));
  }

  /**
   * Opens and verifies every byte of a file. Returns a reader that holds at most `pages` pages (of 4 KiB) of the index,
   * or in a few words what is wrong with the file.
   */
  static open(file: string, key: string, pages: number = PAGES): TokenFileReader | string {
    let descriptor: number;
    try {
      descriptor = fs.openSync(file, "r");
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return "absent";
      throw error;
    }
    let reader: TokenFileReader | undefined;
    try {
      const header = Buffer.alloc(HEADER);
      const view = new DataView(header.buffer, header.byteOffset, HEADER);
      if (fs.readSync(descriptor, header, 0, HEADER, 0) !== HEADER) return "shorter than its header";
      if (header.toString("latin1", 0, 8) !== MAGIC || view.getUint32(8, littleEndian) !== BYTE_ORDER) {
        return "not a token file of this version and byte order";
      }
      if (
        !sha256(header.subarray(0, CHECKED))
          .subarray(0, HEADER - CHECKED)
          .equals(header.subarray(CHECKED))
      ) {
        return "damaged in its header";
      }
      if (!header.subarray(40, 72).equals(Buffer.from(key, "hex")))
        return "made from other texts or by another tokenizer";
      const expected =
        indexOffset(view.getFloat64(24, littleEndian), view.getUint32(12, littleEndian)) +
        (view.getFloat64(16, littleEndian) + 1) * RECORD;
      const { size } = fs.fstatSync(descriptor);
      if (size !== expected) return `${size} bytes long instead of ${expected}`;
      const hash = createHash("sha256");
      const block = Buffer.alloc(BUFFER);
      for (let at = HEADER; at < size; ) {
        const read = fs.readSync(descriptor, block, 0, BUFFER, at);
        if (read === 0) return `cut off at byte ${at}`;
        hash.update(block.subarray(0, read));
        at += read;
      }
      if (!hash.digest().equals(header.subarray(72, CHECKED))) return "damaged in its tokens or index";
      reader = new TokenFileReader(file, descriptor, view, pages);
      return reader;
    } finally {
      if (!reader) fs.closeSync(descriptor);
    }
  }

  /** The byte offset in `#pages` of a document's record; the next record follows it. */
  #record(document: number): number {
    if (!Number.isInteger(document) || document < 0 || document >= this.documents) {
      throw new RangeError(`${this.file} has no text ${document}; there are ${this.documents}, numbered from 0`);
    }
    const page = Math.floor(document / PAGE_RECORDS);
    const slot = page % this.#slots;
    const at = slot * (PAGE_RECORDS + 1) * RECORD;
    if (this.#slotPage[slot] !== page) {
      const records = Math.min(PAGE_RECORDS + 1, this.documents + 1 - page * PAGE_RECORDS);
      const target = new Uint8Array(this.#pages.buffer, at, records * RECORD);
      this.#slotPage[slot] = -1;
      this.#readFully(target, this.#indexAt + page * PAGE_RECORDS * RECORD);
      this.#slotPage[slot] = page;
    }
    return at + (document - page * PAGE_RECORDS) * RECORD;
  }

  #readFully(target: Uint8Array, position: number): void {
    if (this.#descriptor === undefined) throw new Error(`${this.file} was closed; open the token cache again`);
    for (let done = 0; done < target.length; ) {
      const read = fs.readSync(this.#descriptor, target, done, target.length - done, position + done);
      if (read === 0)
        throw new Error(`${this.file} became shorter while it was open; open the token cache again to rebuild it`);
      done += read;
    }
  }

  /** The user index of a text, −1 if it has none. */
  user(document: number): number {
    return this.#pages.getInt32(this.#record(document) + 8, littleEndian);
  }

  /** The item index of a text, −1 if it has none. */
  item(document: number): number {
    return this.#pages.getInt32(this.#record(document) + 12, littleEndian);
  }

  /** Tokens of a text. */
  tokenCount(document: number): number {
    const at = this.#record(document);
    return this.#pages.getFloat64(at + RECORD, littleEndian) - this.#pages.getFloat64(at, littleEndian);
  }

  /** Copies the first `count` tokens of a text to the start of `target`. */
  read(document: number, count: number, target: Int32Array): void {
    const start = this.#pages.getFloat64(this.#record(document), littleEndian);
    const bytes = count * this.#tokenBytes;
    if (this.#bytes.length < bytes) this.#bytes = Buffer.alloc(2 * bytes);
    this.#readFully(this.#bytes.subarray(0, bytes), HEADER + start * this.#tokenBytes);
    const { buffer, byteOffset } = this.#bytes;
    target.set(
      this.#tokenBytes === 2 ? new Uint16Array(buffer, byteOffset, count) : new Uint32Array(buffer, byteOffset, count),
    );
  }

  /** Releases the file. Reading after that throws. */
  close(): void {
    if (this.#descriptor !== undefined) fs.closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}

function indexOffset(tokens: number, tokenBytes: number): number {
  return HEADER + Math.ceil((tokens * tokenBytes) / 8) * 8;
}
