package parley_test

var socketRows rowTests
