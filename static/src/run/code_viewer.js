/** A file to read, highlighted: CodeMirror, loaded when somebody opens the code. */

import { json } from "@codemirror/lang-json";
import { markdown } from "@codemirror/lang-markdown";
import { python } from "@codemirror/lang-python";
import { yaml } from "@codemirror/lang-yaml";
import { defaultHighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { search, searchKeymap } from "@codemirror/search";
import { EditorState } from "@codemirror/state";
import { oneDarkHighlightStyle } from "@codemirror/theme-one-dark";
import { EditorView, drawSelection, keymap, lineNumbers } from "@codemirror/view";

const LANGUAGES = { py: python, json, md: markdown, yml: yaml, yaml };

/** Show `text` in `element`, read-only. */
export function showCode(element, text, path) {
  const dark = document.documentElement.dataset.bsTheme === "dark";
  const language = LANGUAGES[path.split(".").pop()?.toLowerCase() ?? ""];
  const view = new EditorView({
    state: EditorState.create({
      doc: text,
      extensions: [
        EditorState.readOnly.of(true),
        EditorView.contentAttributes.of({ "aria-label": path }),
        lineNumbers(),
        drawSelection(),
        search({ top: true }),
        keymap.of(searchKeymap),
        syntaxHighlighting(dark ? oneDarkHighlightStyle : defaultHighlightStyle),
        ...(language ? [language()] : []),
      ],
    }),
  });
  element.replaceChildren(view.dom);
  return view;
}
