// The one place where commands are wired together. A new command: a file in commands/ and a line here.
import { Command } from "commander";
import packageJson from "../package.json" with { type: "json" };
import { demoCommand } from "./commands/demo.js";
import { prepareCommand } from "./commands/prepare.js";
import type { CliContext } from "./context.js";

const COMMANDS: readonly ((context: CliContext) => Command)[] = [prepareCommand, demoCommand];

/** The `cllm4rec` program; it throws CommanderError where commander would end the process. */
export function createProgram(context: CliContext): Command {
  const program = new Command("cllm4rec")
    .description("Collaborative large language models for recommendation, from raw reviews to recommendations.")
    .version(packageJson.version);
  for (const create of COMMANDS) program.addCommand(create(context));
  // Subcommands inherit neither: https://github.com/tj/commander.js#override-exit-and-output-handling
  for (const command of [program, ...program.commands]) {
    command.showHelpAfterError("(--help shows the options)");
    command.exitOverride().configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
    });
  }
  return program;
}
