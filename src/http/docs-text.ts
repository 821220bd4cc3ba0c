const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Text as HTML. What stands between backticks becomes code. */
export function renderText(text: string): string {
  const escaped = text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '')
  return escaped.replaceAll(/`([^`]+)`/g, '<code>$1</code>')
}

/** A list of names, each as code. */
export function renderCodes(names: readonly string[]): string {
  return names.map((name) => `<code>${renderText(name)}</code>`).join(' ')
}
