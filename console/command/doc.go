// Package command is the console's one command language: prompt, batch file, standard input and arguments all go
// through its parser and its executor.
//
//	text ──Parser──> []Statement ──Executor──> Cluster, Operator, Processes   (ports; see ports.go)
//	                                   └─────> Writer                  (results, reports, notes, summary)
//
// One table (verbs*.go) says what each verb takes. Parsing, "did you mean", help, completion (Complete, Ghost) and the
// hint while typing (Syntax) follow from it; a new verb is a row there and a method in the executor's table of runners,
// and a test fails if one of them is missing. What a command would do to the cluster is computed by package quorum.
// Writers are Text, Values (one command), JSON and CSV. The shipped scenarios are files of this language.
//
// The language, one command per line:
//
//	script   = { line NEWLINE } ;
//	line     = [ { modifier } command ] [ comment ] ;
//	comment  = "#" { any } ;                         where a word could begin
//	modifier = "repeat" INT [ "every" DURATION ] [ "parallel" INT ] ;
//	block    = "repeat" INT … NEWLINE { line NEWLINE } "end" ;
//	command  = VERB { word | option | target } ;
//	option   = NAME "=" word ;                       timeout=2s read=stale
//	target   = "@" ( "auto" | "random" | "leader" | "all" | REPLICA ) ;
//	word     = bare | "'" { any but "'" } "'" | '"' { char | escape } '"' | "x'" { HEX HEX } "'" ;
//	escape   = "\" ( "n" | "r" | "t" | "\" | '"' | "0" | "x" HEX HEX | "u{" HEX… "}" ) ;
//	subst    = "${" ( "i" | "leader" | "follower" | NAME | "env:" NAME ) "}" ;   not inside '…'
//
// A file is parsed whole, with all files that it sources, before anything is sent. A request that gets no answer is
// noted, in the output and in the client's log, and the rest is still sent.
package command
