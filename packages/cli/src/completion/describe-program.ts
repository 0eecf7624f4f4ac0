// What a shell completes: commands, their options, and what an option's value may be, read from the program itself.
import type { Command, Option } from "commander";
import { ENGINES } from "../engine/engine.js";

/** An option as a shell completes it. */
export interface OptionFacts {
  /** With the dashes. */
  readonly flag: string;
  readonly description: string;
  /** Words to choose from; `path`: a file or folder; `text`: anything; `none`: it takes no value. */
  readonly value: readonly string[] | "path" | "text" | "none";
}

export interface CommandFacts {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly OptionFacts[];
  /** Words for an argument without a flag. */
  readonly words: readonly string[];
}

/** The description of a value that is a path, such as `<dir|hub-id>` or `<file.json>`. */
const PATH = /dir|file/;
/** A list of words in place of a value's name: `<text-map|paper>`. */
const WORDS = /^[\w-]+(\|[\w-]+)+$/;

/** All commands of a program whose options are loaded. */
export function describeProgram(program: Command): CommandFacts[] {
  return program.commands.map((command) => ({
    name: command.name(),
    summary: command.summary(),
    options: command.options
      .filter(({ hidden, long }) => !hidden && long)
      .map(describeOption)
      .concat({ flag: "--help", description: "the command's options", value: "none" }),
    words: command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
  }));
}

function describeOption({ long, description, flags, argChoices, required, optional }: Option): OptionFacts {
  const [, name = ""] = /[<[]([^>\]]+?)(\.\.\.)?[>\]]/.exec(flags) ?? [];
  // Its parser gives better messages than commander's list of choices would.
  if (long === "--engine") return { flag: long, description: "what computes", value: ENGINES };
  const value =
    !required && !optional
      ? "none"
      : (argChoices ?? (PATH.test(name) ? "path" : WORDS.test(name) ? wordsOf(name) : "text"));
  // The first clause, without what is in parentheses: a shell shows one line.
  return { flag: long!, description: description.split(/[;:(]/)[0]!.trim(), value };
}

/** Of `n|auto` or `number|none`, the words that can be typed as they are. */
const wordsOf = (name: string): string[] => name.split("|").filter((word) => !/^(n|number)$/.test(word));
