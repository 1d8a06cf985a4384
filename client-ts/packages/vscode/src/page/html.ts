/** The document of the webview. Nothing runs or loads in it but the files of the page. */

export interface Assets {
  /** Addresses of `page.js` and `page.css`. */
  script: string;
  style: string;
  /** The source of `style` in the policy, such as `webview.cspSource`. */
  source: string;
  /** A new one for each document. */
  nonce: string;
}

export function pageHtml({ script, style, source, nonce }: Assets): string {
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src ${source}`,
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
  return `<!doctype html>
<html lang="en" class="vscode">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${attribute(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>AI Providers</title>
<link rel="stylesheet" href="${attribute(style)}">
</head>
<body>
<main id="page"></main>
<script type="module" nonce="${attribute(nonce)}" src="${attribute(script)}"></script>
</body>
</html>
`;
}

const attribute = (text: string): string => text.replace(/&/g, "&amp;").replace(/"/g, "&quot;");
