// JSON with comments, as in tsconfig.json: what remains is JSON for JSON.parse.

/**
 * A string, which may hold what looks like a comment, or a comment to the end of the line or between marks. `.` stops
 * at line ends.
 */
const STRING_OR_COMMENT = /"(?:[^"\\]|\\.)*"|\/\/.*|\/\*[\s\S]*?\*\//g;

/**
 * Parses JSON that may begin with a byte-order mark and hold line and block comments. Comments become spaces, so
 * that the positions in an error are those of the text.
 * @throws SyntaxError where the rest is no JSON; a comment without an end counts as the rest
 */
export function parseJsonWithComments(text: string): unknown {
  const json = text
    .replace(/^\uFEFF/, " ")
    .replace(STRING_OR_COMMENT, (match) => (match.startsWith('"') ? match : match.replace(/[^\n\r]/g, " ")));
  return JSON.parse(json);
}
