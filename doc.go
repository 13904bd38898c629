// Package parley speaks SMTP as a client. (See README.md; this comment is completed with the class.)
package parley
