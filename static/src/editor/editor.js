/**
 * A code editor: CodeMirror 6 in the studio's colours.
 *
 * Tab indents. Escape and then Tab leaves the editor, for those who move by keyboard; the hint below it says so.
 */

import { closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab, temporarilySetTabFocusMode } from "@codemirror/commands";
import { json } from "@codemirror/lang-json";
import { markdown } from "@codemirror/lang-markdown";
import { python } from "@codemirror/lang-python";
import { yaml } from "@codemirror/lang-yaml";
import {
  bracketMatching,
  foldGutter,
  foldKeymap,
  HighlightStyle,
  indentOnInput,
  indentUnit,
  syntaxHighlighting,
} from "@codemirror/language";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { EditorState } from "@codemirror/state";
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSpecialChars,
  keymap,
  lineNumbers,
  rectangularSelection,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";

const LANGUAGES = {
  py: python,
  json,
  ipynb: json,
  yaml,
  yml: yaml,
  md: markdown,
};

/** The colours are the page's own variables, so that a change of theme needs no word to the editor. */
const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.modifier], color: "var(--code-keyword)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--code-string)" },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: "var(--code-number)" },
  { tag: [tags.comment, tags.meta], color: "var(--code-comment)", fontStyle: "italic" },
  { tag: [tags.function(tags.variableName), tags.function(tags.propertyName)], color: "var(--code-function)" },
  { tag: [tags.className, tags.typeName, tags.definition(tags.className)], color: "var(--code-type)" },
  { tag: [tags.propertyName, tags.attributeName], color: "var(--code-property)" },
  { tag: tags.heading, fontWeight: "600", color: "var(--code-keyword)" },
  { tag: tags.emphasis, fontStyle: "italic" },
  { tag: tags.strong, fontWeight: "600" },
  { tag: tags.link, textDecoration: "underline" },
  { tag: tags.invalid, color: "var(--bad)" },
]);

const look = EditorView.theme({
  "&": { height: "100%", backgroundColor: "var(--surface)", color: "var(--text)", fontSize: "var(--text-sm)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--font-mono)", fontVariantLigatures: "none", lineHeight: "1.6" },
  ".cm-content": { caretColor: "var(--accent)", padding: "var(--space-2) 0" },
  ".cm-cursor": { borderLeftColor: "var(--accent)", borderLeftWidth: "2px" },
  ".cm-gutters": { backgroundColor: "var(--surface)", color: "var(--text-3)", border: "none" },
  ".cm-lineNumbers .cm-gutterElement": { padding: "0 0.5rem 0 1rem" },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--text) 4%, transparent)" },
  ".cm-activeLineGutter": { backgroundColor: "transparent", color: "var(--text)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "color-mix(in srgb, var(--accent) 26%, transparent)",
  },
  ".cm-selectionMatch": { backgroundColor: "color-mix(in srgb, var(--warning) 22%, transparent)" },
  ".cm-matchingBracket": { backgroundColor: "color-mix(in srgb, var(--accent) 22%, transparent)", outline: "none" },
  ".cm-panels": { backgroundColor: "var(--raised)", color: "var(--text)", borderColor: "var(--line)" },
  ".cm-textfield, .cm-button": {
    backgroundColor: "var(--surface)",
    backgroundImage: "none",
    border: "1px solid var(--line-strong)",
    color: "var(--text)",
  },
});

const extensionOf = (path) => /\.([^./]+)$/.exec(path.toLowerCase())?.[1] ?? "";

export class CodeEditor {
  /**
   * @param {HTMLElement} parent
   * @param {object} [options]
   * @param {(text: string) => void} [options.onChange] The person typed.
   * @param {boolean} [options.readOnly]
   */
  constructor(parent, { onChange, readOnly = false } = {}) {
    this.onChange = onChange ?? (() => {});
    this.readOnly = readOnly;
    this.view = new EditorView({ parent, state: this.#state("", "") });
  }

  /** Show `text` as the file `path`; its own undo begins here. */
  open(path, text) {
    this.view.setState(this.#state(path, text));
    this.view.scrollDOM.scrollTop = 0;
  }

  /** Bring the text in line with what it became elsewhere, the caret where it was as far as that goes. */
  replace(text) {
    if (text === this.text) return;
    const { from, to, insert } = difference(this.text, text);
    this.isReplacing = true;
    this.view.dispatch({ changes: { from, to, insert } });
    this.isReplacing = false;
  }

  get text() {
    return this.view.state.doc.toString();
  }

  focus() {
    this.view.focus();
  }

  destroy() {
    this.view.destroy();
  }

  #state(path, text) {
    const language = LANGUAGES[extensionOf(path)];
    return EditorState.create({
      doc: text,
      extensions: [
        lineNumbers(),
        foldGutter(),
        highlightSpecialChars(),
        history(),
        drawSelection(),
        rectangularSelection(),
        indentOnInput(),
        indentUnit.of(extensionOf(path) === "py" ? "    " : "  "),
        bracketMatching(),
        closeBrackets(),
        highlightActiveLine(),
        highlightActiveLineGutter(),
        highlightSelectionMatches(),
        syntaxHighlighting(colours),
        look,
        keymap.of([
          { key: "Escape", run: temporarilySetTabFocusMode },
          ...closeBracketsKeymap,
          ...defaultKeymap,
          ...searchKeymap,
          ...historyKeymap,
          ...foldKeymap,
          ...completionKeymap,
          indentWithTab,
        ]),
        language ? language() : [],
        EditorState.readOnly.of(this.readOnly),
        // Text that can't be typed into is still scrolled by the keyboard.
        ...(this.readOnly ? [EditorView.contentAttributes.of({ tabindex: "0" })] : []),
        EditorView.contentAttributes.of({ "aria-label": path ? `Text of ${path}` : "Text", spellcheck: "false" }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged && !this.isReplacing) this.onChange(update.state.doc.toString());
        }),
      ],
    });
  }
}

/** The one stretch in which two texts differ. */
export function difference(before, after) {
  const shorter = Math.min(before.length, after.length);
  let from = 0;
  while (from < shorter && before[from] === after[from]) from += 1;
  let tail = 0;
  while (tail < shorter - from && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
  return { from, to: before.length - tail, insert: after.slice(from, after.length - tail) };
}
