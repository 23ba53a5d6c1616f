/** What each shell evaluates so that it asks `certbus complete` for what can come next. */

/** The shells that completion is there for. */
export const SHELLS = ['bash', 'zsh', 'fish', 'powershell'] as const;

/** The script of each shell. */
export const SCRIPTS: Readonly<Record<(typeof SHELLS)[number], string>> = {
  bash: `# Put this into ~/.bashrc: eval "$(certbus completion bash)"
_certbus() {
  local word words=("\${COMP_WORDS[@]:1:COMP_CWORD}") quotes=$'[\\\\\\\\"\\']'
  COMPREPLY=()
  while IFS= read -r word; do
    # A word in quotes stays as it is; else a shell would expand the names of wildcards.
    case \${COMP_WORDS[COMP_CWORD]} in \\"*|\\'*) ;; *) printf -v word %q "$word" ;; esac
    COMPREPLY+=("$word")
  done < <(certbus complete -- "\${words[@]//$quotes/}" 2>/dev/null)
}
complete -o default -F _certbus certbus`,
  zsh: `#compdef certbus
# Put this into ~/.zshrc, after compinit: eval "$(certbus completion zsh)"
_certbus() {
  local -a found
  found=("\${(@f)$(certbus complete -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "$found" ]]; then compadd -- $found; else _files; fi
}
compdef _certbus certbus`,
  fish: `# certbus completion fish > ~/.config/fish/completions/certbus.fish
function __certbus_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l found (certbus complete -- $words[2..-1] 2>/dev/null)
    if set -q found[1]
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c certbus -f -a '(__certbus_complete)'`,
  powershell: `# Put this into $PROFILE: certbus completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName certbus -ScriptBlock {
    param($begun, $line, $cursor)
    $words = @($line.CommandElements | Select-Object -Skip 1 | ForEach-Object { "$_" })
    # An empty word would not be passed on before PowerShell 7.3.
    if ($begun -eq '') { $words += ' ' }
    certbus complete -- @words 2>$null | ForEach-Object {
        $text = if ($_ -match '[*?]') { "'$_'" } else { $_ }
        [System.Management.Automation.CompletionResult]::new($text, $_, 'ParameterValue', $_)
    }
}`,
};
