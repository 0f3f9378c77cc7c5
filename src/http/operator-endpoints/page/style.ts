/** The style of the operator's page. */
export const style = `
:root {
  color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif;
  --page: #f5f6f8; --card: #fff; --text: #1b1f27; --soft: #575f6d; --line: #747c8a; --edge: #dcdfe5;
  --main: #2346b8; --on-main: #fff; --good: #14713d; --bad: #b3261e; --on-bad: #fff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171c; --card: #1e2229; --text: #eceef2; --soft: #a9b0bd; --line: #7f8897; --edge: #333944;
    --main: #9db4ff; --on-main: #10162b; --good: #6fd69a; --bad: #ff9d94; --on-bad: #2b0b08;
  }
}
* { box-sizing: border-box }
[hidden] { display: none !important }
body { margin: 0; background: var(--page); color: var(--text) }
header, main { max-width: 60rem; margin: 0 auto; padding: 0 1rem }
header { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 1rem; padding-block: 1rem 0 }
h1 { font-size: 1.25rem; margin: 0; white-space: nowrap }
h1 span { color: var(--soft); font-weight: 400 }
h2 { font-size: 1rem; margin: 2rem 0 .5rem }
h2:focus { outline: none }
main { padding-bottom: 3rem }
.card, #tiles > div { background: var(--card); border: 1px solid var(--edge); border-radius: .75rem; padding: 1rem }
#enter { max-width: 30rem; margin: 15vh auto 0 }
#tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .75rem; margin: 0 }
#tiles dt { color: var(--soft); font-size: .875rem }
#tiles dd { margin: 0; font-size: 1.4rem; font-weight: 600; line-height: 1.3; overflow-wrap: anywhere }
.good { color: var(--good) } .bad { color: var(--bad) }
.plain { list-style: none; margin: 0; padding: 0 }
ul.plain.card { padding: .25rem 1rem }
#parts { margin-top: .75rem; font-size: .9375rem }
.card li { padding: .75rem 0; border-top: 1px solid var(--edge); overflow-wrap: anywhere }
.card li:first-child { border-top: 0 }
.card > .plain { margin-top: -.5rem }
.card > .row:first-child { margin-top: 0 }
#enter .hint { margin: .75rem 0 0 }
#sessions ul, #story:not(:empty) { margin-top: .75rem }
li strong { font-weight: 600 }
li small, .hint { color: var(--soft); font-size: .875rem }
li small { display: block }
.row { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem .75rem; margin: .5rem 0 0 }
.entry { display: flex; justify-content: space-between; align-items: center; gap: 1rem }
.entry > div { min-width: 0 }
label { font-weight: 600 }
input, select, button { font: inherit; min-height: 2.75rem; border-radius: .5rem; border: 1px solid var(--line); padding: 0 .9rem }
input, select { background: var(--page); color: var(--text) }
input { flex: 1 1 6rem; min-width: 0 }
button { background: var(--main); border-color: var(--main); color: var(--on-main); font-weight: 600; cursor: pointer; white-space: nowrap; flex: none }
header button { padding: 0 .6rem; font-size: .9375rem }
button.quiet { background: var(--card); color: var(--text); border-color: var(--line) }
button.danger { background: var(--bad); border-color: var(--bad); color: var(--on-bad) }
button:disabled { opacity: .6; cursor: default }
:focus-visible { outline: 3px solid var(--main); outline-offset: 2px }
#notice:not(:empty), #problem:not(:empty) {
  background: var(--card); border: 1px solid; border-radius: .5rem; padding: .6rem 1rem; margin: 1rem 0 0
}
#notice { color: var(--good) } #problem { color: var(--bad) }
dialog { background: var(--card); color: var(--text); border: 1px solid var(--line); border-radius: .75rem; width: 26rem; max-width: calc(100% - 2rem); padding: 1.25rem }
dialog p { margin: 0 } dialog .row { margin-top: 1.25rem; justify-content: flex-end }
dialog::backdrop { background: rgb(0 0 0 / .5) }
code { font-size: .9em }
`
