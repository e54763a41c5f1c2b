/** How long a browser may take to begin with a download that was clicked. */
const beginMs = 30_000;

/** Has the browser save something as a file. */
export function download(content: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), beginMs);
}
