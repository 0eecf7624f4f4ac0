// Byte-level BPE from text (Sennrich et al. 2016; bytes as in Radford et al. 2019, §2.2), for a tokenizer.json that
// anything reads. Order of merges, ties and ids are those of Hugging Face's BpeTrainer, so that its result is the
// yardstick.

/** How GPT-2 cuts text before BPE; the ByteLevel pre-tokeniser does the same. */
const PIECES = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

/** The characters that stand for the bytes 0 to 255: printable ones for themselves, the others U+0100 and on. */
export const BYTES = (() => {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCodePoint(printable ? byte : next++);
  });
})();

/**
 * @param {Iterable<string>} texts
 * @param {{ readonly size: number, readonly specialTokens: readonly string[] }} options `size`: tokens in all, at most;
 *   fewer where no two neighbours are left that stand together twice
 * @returns {{ vocab: Record<string, number>, merges: string[] }} as in vocab.json and merges.txt
 */
export function trainBpe(texts, { size, specialTokens }) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const text of texts) {
    for (const [piece] of text.matchAll(PIECES)) counts.set(piece, (counts.get(piece) ?? 0) + 1);
  }
  const tokens = [...specialTokens, ...[...BYTES].sort()];
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const words = [...counts].map(([piece, count]) => ({
    count,
    ids: Array.from(Buffer.from(piece), (byte) => ids.get(BYTES[byte] ?? "") ?? 0),
  }));
  /** @type {string[]} */
  const merges = [];
  while (tokens.length < size) {
    const best = mostFrequentPair(words);
    if (!best || best.count < 2) break;
    const [left, right] = [tokens[best.left] ?? "", tokens[best.right] ?? ""];
    const merged = ids.get(left + right) ?? tokens.length;
    if (merged === tokens.length) {
      tokens.push(left + right);
      ids.set(left + right, merged);
    }
    merges.push(`${left} ${right}`);
    for (const word of words) word.ids = replacePair(word.ids, best.left, best.right, merged);
  }
  return { vocab: Object.fromEntries(ids), merges };
}

/** Ties go to the pair with the smaller ids. @param {readonly { count: number, ids: readonly number[] }[]} words */
function mostFrequentPair(words) {
  /** @type {Map<number, number>} */
  const pairs = new Map();
  for (const { count, ids } of words) {
    for (let i = 1; i < ids.length; i++) {
      const key = (ids[i - 1] ?? 0) * 0x100000 + (ids[i] ?? 0);
      pairs.set(key, (pairs.get(key) ?? 0) + count);
    }
  }
  /** @type {{ key: number, count: number } | undefined} */
  let best;
  for (const [key, count] of pairs) {
    if (!best || count > best.count || (count === best.count && key < best.key)) best = { key, count };
  }
  return best && { left: Math.floor(best.key / 0x100000), right: best.key % 0x100000, count: best.count };
}

/** @param {readonly number[]} ids @param {number} left @param {number} right @param {number} merged */
function replacePair(ids, left, right, merged) {
  if (!ids.includes(left)) return [...ids];
  /** @type {number[]} */
  const result = [];
  for (let i = 0; i < ids.length; i++) {
    const together = ids[i] === left && ids[i + 1] === right;
    result.push(together ? merged : (ids[i] ?? 0));
    if (together) i++;
  }
  return result;
}
