// cllm4rec completion: a script that completes commands, options and their values in a shell.
import { Argument, Command } from "commander";
import type { CliContext } from "../context.js";

export const SHELLS = ["bash", "zsh", "fish"] as const;

const HELP = `
Examples:
  $ cllm4rec completion bash > ~/.local/share/bash-completion/completions/cllm4rec
  $ cllm4rec completion zsh > ~/.zfunc/_cllm4rec     # with fpath+=~/.zfunc before compinit in ~/.zshrc
  $ cllm4rec completion fish > ~/.config/fish/completions/cllm4rec.fish
  $ source <(cllm4rec completion bash)               # for this shell only

Generate the script again after an update: it has the options of this version.

Exit codes: 0 done, 2 the command line cannot be used.
`;

/**
 * The `completion` command.
 * @param program builds the whole program, with every command's options
 */
export function completionCommand(context: CliContext, program: () => Promise<Command>): Command {
  return new Command("completion")
    .description("Print a script that completes commands, options and their values in bash, zsh or fish.")
    .addArgument(new Argument("<shell>", "the shell").choices(SHELLS))
    .addHelpText("after", HELP)
    .action(async (shell: (typeof SHELLS)[number]) => {
      const { completionScript, describeProgram } = await import("../completion/scripts.js");
      context.stdout.write(completionScript(shell, describeProgram(await program())));
    });
}
