/** How does a script tell what it is doing? In one line, on the terminal. */
export function say(line) {
  console.log(`· ${line}`)
}
