/** The page about the sizes of packages, from what npm said of their tarballs. */
export function sizesPage(packed) {
  const kib = (bytes) => `${Math.round(bytes / 1024).toLocaleString('en')} KiB`
  const line = ({ name, size, unpackedSize, entryCount }) =>
    `| \`${name}\` | ${kib(size)} | ${kib(unpackedSize)} | ${entryCount} |`
  const [first, ...others] = packed
  const most = others.reduce((left, right) => (left.unpackedSize > right.unpackedSize ? left : right))
  return `# Sizes

What \`npm install pstream\` puts on a disk is \`pstream\` and one of the others, ${kib(first.unpackedSize + most.unpackedSize)} at most; there are no further dependencies.

| package | packed | unpacked | files |
| --- | ---: | ---: | ---: |
${packed.map(line).join('\n')}

Version ${first.version}. Written by \`npm run build:all && npm run pack -- --all --sizes\`, which builds the binaries of Windows with LLVM's tools; those that are published are built with Microsoft's, and differ a little.
`
}
