// One element with its class, its text and its attributes; text is textContent, never markup.

export function el(tag, className, text, attributes) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined && text !== null) made.textContent = String(text);
  for (const [name, value] of Object.entries(attributes ?? {})) made.setAttribute(name, value);
  return made;
}

/** What was painted before the page came, moved to where the page wants it: its owner, if any. */
export function takenOver(parent, selector) {
  const root = window.waypostFirst?.give(selector);
  if (!root) return null;
  const focused = root.getRootNode().activeElement;
  const scrolled = [root, ...root.querySelectorAll("*")].map((one) => [one, one.scrollTop, one.scrollLeft]);
  parent.append(root);
  for (const [one, top, left] of scrolled) if (top || left) one.scrollTo(left, top);
  if (root.contains(focused)) focused.focus({ preventScroll: true });
  return root.owner;
}
