// Package simulate has a Sender deliver to thousands of mail servers that are not there,
// in virtual time: servers far and near, slow ones, ones that put off, that limit, that do
// not answer. It shows what each setting of a Sender decides, and what its defaults rest on.
//
// It has tests only, because the bubble of testing/synctest wants one: with -write
// DIRECTORY they write docs/simulation.md, without it they hold what it says for fewer
// servers.
package simulate
