package parley_test

var authRows, tlsRows, shapeRows, socketRows rowTests
