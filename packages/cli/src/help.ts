// How help is laid out: prose as wide as the options above it, and unknown options named before missing ones.
import type { Command, Option } from "commander";

/** Where the output is no terminal; commander's own value. */
const WIDTH = 80;

/** Fills paragraphs to the width. Indented lines (options, examples) stay as they are. */
export function filled(text: string, width: number = WIDTH): string {
  const lines: string[] = [];
  let paragraph = "";
  const flush = () => {
    let rest = paragraph;
    paragraph = "";
    while (rest.length > width) {
      const space = rest.lastIndexOf(" ", width);
      const end = space > 0 ? space : rest.indexOf(" ", width);
      if (end < 0) break;
      lines.push(rest.slice(0, end));
      rest = rest.slice(end + 1);
    }
    if (rest !== "") lines.push(rest);
  };
  // The codes have a paragraph of their own, wherever a command's text puts them.
  for (const line of text.replaceAll(". Exit codes:", ".\n\nExit codes:").split("\n")) {
    const isProse = line !== "" && !/^\s/.test(line);
    if (isProse && !paragraph.endsWith(":")) paragraph += paragraph === "" ? line : ` ${line}`;
    else {
      flush();
      if (isProse) paragraph = line;
      else lines.push(line);
    }
  }
  flush();
  return lines.join("\n");
}

/** commander's methods behind its messages, which its types leave out; the version is pinned and a test covers them. */
interface Reporting {
  missingMandatoryOptionValue(option: Option): void;
  unknownOption(flag: string): void;
}

/** Of `--modle model` the mistyped option is named, not only that `--model` is missing. */
export function nameUnknownOptionsFirst(command: Command): void {
  const reporting = command as Command & Reporting;
  const missing = reporting.missingMandatoryOptionValue.bind(command);
  reporting.missingMandatoryOptionValue = (option) => {
    const unknown = command.args.find((argument) => /^-./.test(argument));
    if (unknown !== undefined) reporting.unknownOption(unknown.split("=")[0]!);
    missing(option);
  };
}
