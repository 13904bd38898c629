#!/usr/bin/perl
# Reads each message of a directory by MIME::Parser and prints what it finds, a JSON object a line.
use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use Encode      qw(decode);
use JSON::PP;
use Mail::Address;
use MIME::Parser;

sub field {
    my ($head, $name) = @_;
    my $value = $head->get($name, 0) // '';
    $value =~ s/\r?\n(?=[ \t])//g;
    $value =~ s/\r?\n$//;
    return $value;
}

sub words { return decode('MIME-Header', $_[0]) }

sub leaf {
    my ($part) = @_;
    my $head = $part->head;
    my $type = $part->effective_type;
    my $digest;
    if ($type eq 'message/rfc822') {
        $digest = field($part->parts(0)->head, 'Subject');
    } else {
        my $body = $part->bodyhandle ? $part->bodyhandle->as_string : '';
        $body =~ s/\r\n/\n/g if $type =~ m{^text/};
        $digest = sha256_hex($body);
    }
    return {
        Type        => $type,
        Charset     => lc($head->mime_attr('content-type.charset') // ''),
        Filename    => words($head->recommended_filename // ''),
        Disposition => $head->mime_attr('content-disposition') // '',
        ContentID   => field($head, 'Content-ID'),
        SHA256      => $digest,
    };
}

sub leaves {
    my ($part) = @_;
    return leaf($part) if $part->effective_type !~ m{^multipart/};
    return map { leaves($_) } $part->parts;
}

my $json = JSON::PP->new->utf8->canonical;
for my $name (sort glob("$ARGV[0]/*.eml")) {
    my $parser = MIME::Parser->new;
    $parser->output_to_core(1);
    $parser->tmp_to_core(1);
    my $message = $parser->parse_open($name);
    if (my @faults = ($parser->results->errors, $parser->results->warnings)) {
        die "$name: @faults";
    }
    my $head = $message->head;
    my @from = map { '|' . $_->address } Mail::Address->parse(field($head, 'From'));
    print $json->encode({
        Subject   => words(field($head, 'Subject')),
        Date      => field($head, 'Date'),
        MessageID => field($head, 'Message-ID') =~ s/^ +//r,
        Extra     => field($head, 'X-Corpus'),
        From      => \@from,
        Parts     => [leaves($message)],
    }), "\n";
}
