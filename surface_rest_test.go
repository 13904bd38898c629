package parley_test

var shapeRows, socketRows rowTests
