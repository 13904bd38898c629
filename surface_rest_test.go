package parley_test

var tlsRows, shapeRows, socketRows rowTests
