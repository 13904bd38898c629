#!/usr/bin/perl
# Net::SMTP of Perl, once: see README.md for what is handed over and the exit codes.
use strict;
use warnings;
use Net::SMTP;

my ($host, $port) = @ARGV ? @ARGV : @ENV{qw(PARLEY_HOST PARLEY_PORT)};
my $tls = $ENV{PARLEY_TLS} || 'none';
exit 89 if $ENV{PARLEY_TOKEN} || ($ENV{PARLEY_PROTO} || 'smtp') ne 'smtp';
my @ca = $ENV{PARLEY_CA} ? (SSL_ca_file => $ENV{PARLEY_CA}) : ();

# A refusal that it could not read has the code 000 or 599 of Net::Cmd.
sub leave {
	my ($smtp) = @_;
	my $code = $smtp ? $smtp->code : 0;
	warn $smtp ? "$code " . $smtp->message : "no session: $@", "\n";
	exit($code >= 500 && $code < 599 ? 69 : 75);
}

sub deliver {
	my $smtp = Net::SMTP->new($host, Port => $port, Hello => $ENV{PARLEY_HELLO}, Timeout => $ENV{PARLEY_TIMEOUT} || 30,
		SSL => $tls eq 'implicit', @ca) or leave();
	if ($tls eq 'starttls') {
		exit 78 unless defined $smtp->supports('STARTTLS');
		$smtp->starttls(@ca) or leave($smtp);
	}
	if ($ENV{PARLEY_USER}) {
		$smtp->auth(@ENV{qw(PARLEY_USER PARLEY_PASSWORD)}) or leave($smtp);
	}
	$smtp->mail($ENV{PARLEY_FROM}) or leave($smtp);
	my $worst = 0;
	my $some = 0;
	for my $to (split /,/, $ENV{PARLEY_RCPTS}) {
		if ($smtp->to($to)) { $some = 1; next }
		my $code = $smtp->code >= 500 && $smtp->code < 599 ? 69 : 75;
		$worst = $code if $code > $worst;
	}
	if (!$some) {
		$smtp->quit;
		exit $worst;
	}
	open my $file, '<:raw', $ENV{PARLEY_FILE} or die "$ENV{PARLEY_FILE}: $!\n";
	my $text = do { local $/; <$file> };
	$text =~ s/\r\n/\n/g; # it wants LF
	$smtp->data($text) or leave($smtp);
	$smtp->quit;
	exit $worst;
}

eval { deliver() };
warn $@; # it dies of what it does not like
exit 70;
