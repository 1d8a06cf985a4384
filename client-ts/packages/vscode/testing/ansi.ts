/** The text of a terminal, with its styles, as HTML. */

const SEQUENCE = /\u001b\[([\d;]*)m/g;
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f]/;

interface Style {
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
  /** 0 to 15, the colours of a terminal's theme. */
  colour: number | null;
}

const PLAIN: Style = { bold: false, dim: false, italic: false, underline: false, colour: null };

/**
 * Return HTML for a `<pre>`: spans with the classes `bold`, `dim`, `italic`, `underline` and `c0` to `c15`.
 *
 * Throws for a control character or a style that it does not know, because the picture would be another one.
 */
export function htmlOf(text: string): string {
  let style = PLAIN;
  const parts = text.split(SEQUENCE).map((part, index) => {
    if (index % 2 === 0) return spanOf(part, style);
    style = codesOf(part).reduce(withCode, style);
    return "";
  });
  return parts.join("");
}

function codesOf(parameters: string): number[] {
  return parameters === "" ? [0] : parameters.split(";").map(Number);
}

function withCode(style: Style, code: number): Style {
  switch (code) {
    case 0:
      return PLAIN;
    case 1:
      return { ...style, bold: true };
    case 2:
      return { ...style, dim: true };
    case 3:
      return { ...style, italic: true };
    case 4:
      return { ...style, underline: true };
    case 39:
      return { ...style, colour: null };
    case 49: // the usual background; there is no other
      return style;
  }
  if (code >= 30 && code <= 37) return { ...style, colour: code - 30 };
  if (code >= 90 && code <= 97) return { ...style, colour: code - 90 + 8 };
  throw new Error(`style ${code} of a terminal is not known`);
}

function spanOf(text: string, { colour, ...flags }: Style): string {
  if (CONTROL.test(text)) throw new Error("the text has a control character");
  if (text === "") return "";
  const escaped = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const classes = Object.entries(flags).flatMap(([name, on]) => (on ? [name] : []));
  if (colour !== null) classes.push(`c${colour}`);
  return classes.length > 0 ? `<span class="${classes.join(" ")}">${escaped}</span>` : escaped;
}
