package parley_test

var authRows, firewallRows, tlsRows, shapeRows, socketRows, eventRows rowTests
