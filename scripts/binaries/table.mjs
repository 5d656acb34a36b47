/** Rows as aligned text, with a head. */
export function table(rows, columns) {
  const all = [Object.fromEntries(columns.map((column) => [column, column])), ...rows]
  const width = (column) => Math.max(...all.map((row) => String(row[column]).length))
  return all
    .map((row) =>
      columns
        .map((column) => String(row[column]).padEnd(width(column)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
