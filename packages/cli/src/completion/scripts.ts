// Completion scripts for bash, zsh and fish. They hold everything: no process is started while somebody types.
import type { CommandFacts, OptionFacts } from "./describe-program.js";

export { describeProgram } from "./describe-program.js";

/** The script for a shell. */
export function completionScript(shell: "bash" | "zsh" | "fish", commands: readonly CommandFacts[]): string {
  return { bash, zsh, fish }[shell](commands);
}

const flagsOf = ({ options }: CommandFacts) => options.map(({ flag }) => flag).join(" ");

/** What has words for values, as patterns of `case "$command $previous"`. */
function bash(commands: readonly CommandFacts[]): string {
  const names = commands.map(({ name }) => name).join(" ");
  const values = commands.flatMap(({ name, options }) =>
    options.flatMap(({ flag, value }) =>
      typeof value === "string" ? [] : [`    "${name} ${flag}") words="${value.join(" ")}" ;;`],
    ),
  );
  const free = commands.flatMap(({ name, options }) =>
    options.filter(({ value }) => value === "path" || value === "text").map(({ flag }) => `"${name} ${flag}"`),
  );
  const known = commands.map((command) => `    ${command.name}) words="${flagsOf(command)}" ;;`);
  const others = commands.filter(({ words }) => words.length > 0);
  return `# bash completion for cllm4rec; written by: cllm4rec completion bash
_cllm4rec() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD - 1]}"
  local command="\${COMP_WORDS[1]}" words=""
  COMPREPLY=()
  if [[ $COMP_CWORD -eq 1 ]]; then
    COMPREPLY=($(compgen -W "${names} help --help --version" -- "$current"))
    return
  fi
  case "$command $previous" in
${values.join("\n")}
    ${free.join(" | ")}) return ;; # files, which bash completes itself
    *)
      case "$command" in
${known.map((line) => `    ${line}`).join("\n")}
      esac
      [[ $current == -* ]] || case "$command" in
${others.map(({ name, words }) => `        ${name}) words="${words.join(" ")}" ;;`).join("\n")}
        *) return ;;
      esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _cllm4rec cllm4rec
`;
}

function zsh(commands: readonly CommandFacts[]): string {
  const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
  // Brackets and colons separate the parts of a specification.
  const plain = (text: string) => text.replace(/[\\[\]:]/g, (character) => `\\${character}`);
  const action = (value: OptionFacts["value"]) =>
    value === "none"
      ? ""
      : value === "path"
        ? ":path:_files"
        : value === "text"
          ? ":value: "
          : `:value:(${value.join(" ")})`;
  const listed = commands.map(({ name, summary }) => `    ${quoted(`${plain(name)}:${summary}`)}`);
  const cases = commands.map(({ name, options, words }) => {
    const specs = options.map(({ flag, description, value }) =>
      quoted(`${flag}[${plain(description)}]${action(value)}`),
    );
    const rest = words.length > 0 ? [quoted(`1:value:(${words.join(" ")})`)] : [quoted("*:path:_files")];
    const lines = ["_arguments", ...[...specs, ...rest].map((spec) => `  ${spec}`)];
    return `    ${name})\n${lines.map((line) => `      ${line}`).join(" \\\n")} ;;`;
  });
  return `#compdef cllm4rec
# zsh completion for cllm4rec; written by: cllm4rec completion zsh
_cllm4rec() {
  local -a commands
  commands=(
${listed.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${cases.join("\n")}
  esac
}
if [[ $funcstack[1] == _cllm4rec ]]; then _cllm4rec "$@"; else compdef _cllm4rec cllm4rec; fi
`;
}

function fish(commands: readonly CommandFacts[]): string {
  const quoted = (text: string) => `'${text.replace(/[\\']/g, (character) => `\\${character}`)}'`;
  const lines = commands.flatMap(({ name, summary, options, words }) => {
    const inside = `complete -c cllm4rec -n ${quoted(`__fish_seen_subcommand_from ${name}`)}`;
    const value = (one: OptionFacts["value"]) =>
      one === "none" ? "" : one === "path" ? " -r -F" : one === "text" ? " -x" : ` -x -a ${quoted(one.join(" "))}`;
    return [
      `complete -c cllm4rec -n __fish_use_subcommand -f -a ${name} -d ${quoted(summary)}`,
      ...(words.length > 0 ? [`${inside} -f -a ${quoted(words.join(" "))}`] : []),
      ...options.map(
        (option) => `${inside} -l ${option.flag.slice(2)} -d ${quoted(option.description)}${value(option.value)}`,
      ),
    ];
  });
  return `# fish completion for cllm4rec; written by: cllm4rec completion fish\n${lines.join("\n")}\n`;
}
