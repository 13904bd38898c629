package parley_test

var serverRows, authRows, firewallRows, tlsRows, shapeRows, socketRows, eventRows, methodRows rowTests
